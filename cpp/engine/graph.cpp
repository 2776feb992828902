#include "graph.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <stdexcept>

#include "vector_math.hpp"

namespace lawfit {

namespace {
struct OpInfo { const char* name; int arity; bool is_public; };
constexpr OpInfo kOps[] = {
#define OP(name, arity) {#name, arity, true},
#define INNER(name, arity) {#name, arity, false},
#include "opcodes.def"
#undef OP
#undef INNER
};
constexpr int kOpCount = sizeof(kOps) / sizeof(kOps[0]);
constexpr int kLargestIntegerPower = 1024;   // larger constant powers go through exp and log

// Dividing by it is exactly multiplying by its reciprocal.
bool power_of_two(double x) {
  int exponent;
  return x != 0 && std::isfinite(x) && std::isfinite(1 / x) && std::frexp(std::fabs(x), &exponent) == 0.5;
}
bool commutes(Op op) {
  return op == Op::ADD || op == Op::MUL || op == Op::MUL0 || op == Op::LOGADDEXP || op == Op::BETALN || op == Op::EQUAL;
}
}  // namespace

int arity(Op op) { return kOps[static_cast<int>(op)].arity; }
const char* op_name(Op op) { return kOps[static_cast<int>(op)].name; }
int op_count() { return kOpCount; }
bool op_is_public(Op op) { return kOps[static_cast<int>(op)].is_public; }

double scalar_value(Op op, double a, double b, double c) {
  V x = broadcast(a), y = broadcast(b), r = broadcast(NAN);
  switch (op) {
    case Op::ADD: return a + b;
    case Op::SUB: return a - b;
    case Op::MUL: return a * b;
    case Op::DIV: return a / b;
    case Op::POW: return std::pow(a, b);
    case Op::NEG: return -a;
    case Op::EXP: r = v_exp(x); break;
    case Op::LOG: r = v_log(x); break;
    case Op::LOG10: r = v_log10(x); break;
    case Op::LOG2: r = v_log2(x); break;
    case Op::LOG1P: r = v_log1p(x); break;
    case Op::EXPM1: r = v_expm1(x); break;
    case Op::SQRT: return std::sqrt(a);
    case Op::ABS: return std::fabs(a);
    case Op::SIN: r = v_sin(x); break;
    case Op::COS: r = v_cos(x); break;
    case Op::ARCTAN: r = v_arctan(x); break;
    case Op::TANH: r = v_tanh(x); break;
    case Op::ERF: r = v_erf(x); break;
    case Op::NORMCDF: r = v_normcdf(x); break;
    case Op::LOGISTIC: r = v_logistic(x); break;
    case Op::GAMMALN: r = v_gammaln(x); break;
    case Op::LOGADDEXP: r = v_logaddexp(x, y); break;
    case Op::MIN: return std::isnan(a) || std::isnan(b) ? NAN : std::min(a, b);
    case Op::MAX: return std::isnan(a) || std::isnan(b) ? NAN : std::max(a, b);
    case Op::MUL0: return a == 0 || b == 0 ? 0 : a * b;
    case Op::DIV0: return a == 0 ? 0 : a / b;
    case Op::BETALN: r = v_betaln(x, y); break;
    case Op::LESS: return a < b;
    case Op::LESS_EQUAL: return a <= b;
    case Op::EQUAL: return a == b;
    case Op::WHERE: return a != 0 ? b : c;
    case Op::SIGN: return a > 0 ? 1 : a < 0 ? -1 : a;
    case Op::DIGAMMA: r = v_digamma(x); break;
    case Op::TRIGAMMA: r = v_trigamma(x); break;
    case Op::TETRAGAMMA: r = v_tetragamma(x); break;
    case Op::DIGAMMA_GAP: r = v_digamma_gap(x, y); break;
    case Op::TRIGAMMA_GAP: r = v_trigamma_gap(x, y); break;
    case Op::RECIPROCAL: return 1 / a;
    case Op::SQUARE: return a * a;
    default: return NAN;
  }
  return r[0];
}

int Graph::add_node(Node node) {
  char key[sizeof(uint8_t) + 3 * sizeof(int) + sizeof(double)];
  char* p = key;
  auto put = [&](const void* source, size_t n) { std::memcpy(p, source, n); p += n; };
  put(&node.op, 1); put(&node.a, sizeof(int)); put(&node.b, sizeof(int)); put(&node.c, sizeof(int));
  put(&node.value, sizeof(double));
  auto [at, is_new] = known_.try_emplace(std::string(key, sizeof key), size());
  if (!is_new) return at->second;
  for (int child : {node.a, node.b, node.c}) if (child >= 0) {
    node.on_parameters |= nodes_[child].on_parameters;
    node.on_data |= nodes_[child].on_data;
  }
  if (node.op == Op::PARAM) node.on_parameters = true;
  if (node.op == Op::VAR) node.on_data = true;
  nodes_.push_back(node);
  return size() - 1;
}

int Graph::constant(double value) { return add_node({Op::CONST, -1, -1, -1, value}); }
int Graph::parameter(int index) { return add_node({Op::PARAM, -1, -1, -1, static_cast<double>(index)}); }
int Graph::variable(int index) { return add_node({Op::VAR, -1, -1, -1, static_cast<double>(index)}); }

int Graph::fold(Op op, int a, int b) {
  if (!is_constant(a) || (b >= 0 && !is_constant(b))) return -1;
  return constant(scalar_value(op, nodes_[a].value, b >= 0 ? nodes_[b].value : 0));
}

bool Graph::known_positive(int i) const {
  const Node& n = nodes_[i];
  switch (n.op) {
    case Op::CONST: return n.value > 0 && std::isfinite(n.value);
    case Op::VAR: return positive_[static_cast<int>(n.value)];
    case Op::MUL: case Op::DIV: case Op::ADD:
      return !n.on_parameters && known_positive(n.a) && known_positive(n.b);
    default: return false;
  }
}

int Graph::make(Op op, int a, int b, int c) {
  if (op == Op::WHERE) return choice(a, b, c);
  if (int folded = fold(op, a, b); folded >= 0) return folded;
  switch (op) {
    case Op::ADD: return sum(a, b);
    case Op::SUB: return difference(a, b);
    case Op::MUL: return product(a, b);
    case Op::DIV: return quotient(a, b);
    case Op::NEG: return negative(a);
    case Op::POW: return power(a, b);
    case Op::LOG: return logarithm(a);
    case Op::LOG10: return product(logarithm(a), constant(1 / std::log(10.0)));
    case Op::LOG2: return product(logarithm(a), constant(1 / std::log(2.0)));
    case Op::LOG1P: if (nodes_[a].op == Op::EXP) return node(Op::LOGADDEXP, constant(0), nodes_[a].a); break;
    case Op::EXP: if (nodes_[a].op == Op::LOG && known_positive(nodes_[a].a)) return nodes_[a].a; break;
    case Op::SQUARE: if (nodes_[a].op == Op::SQRT && known_positive(nodes_[a].a)) return nodes_[a].a; break;
    case Op::MUL0:
      if (is_constant(a, 0)) return a;
      if (is_constant(b, 0)) return b;
      if (is_constant(a) || (is_constant(b) && std::isfinite(nodes_[b].value))) return product(a, b);
      break;
    case Op::DIV0: if (known_positive(b)) return quotient(a, b); break;
    default: break;
  }
  return node(op, a, b);
}

int Graph::node(Op op, int a, int b, int c) {
  if (b >= 0 && commutes(op) && a > b) std::swap(a, b);
  return add_node({op, a, b, c, 0});
}

int Graph::choice(int condition, int yes, int no) {
  if (is_constant(condition)) return nodes_[condition].value != 0 ? yes : no;
  if (yes == no) return yes;
  return add_node({Op::WHERE, condition, yes, no, 0});
}

int Graph::sum(int a, int b) {
  if (is_constant(a, 0)) return b;
  if (is_constant(b, 0)) return a;
  if (nodes_[b].op == Op::NEG) return difference(a, nodes_[b].a);
  if (nodes_[a].op == Op::NEG) return difference(b, nodes_[a].a);
  if (int folded = fold(Op::ADD, a, b); folded >= 0) return folded;
  if (a > b) std::swap(a, b);
  return add_node({Op::ADD, a, b, -1, 0});
}

int Graph::difference(int a, int b) {
  if (is_constant(b, 0)) return a;
  if (is_constant(a, 0)) return negative(b);
  if (nodes_[b].op == Op::NEG) return sum(a, nodes_[b].a);
  if (int folded = fold(Op::SUB, a, b); folded >= 0) return folded;
  return add_node({Op::SUB, a, b, -1, 0});
}

int Graph::negative(int a) {
  const Node n = nodes_[a];
  if (is_constant(a)) return constant(-n.value);
  if (n.op == Op::NEG) return n.a;
  if (n.op == Op::SUB) return difference(n.b, n.a);
  // Keep signs on the side that is evaluated least often: a constant or parameter-only factor.
  if (n.op == Op::MUL || n.op == Op::DIV || n.op == Op::MUL0) {
    if (!nodes_[n.a].on_data || is_constant(n.a)) return make(n.op, negative(n.a), n.b);
    if (n.op == Op::MUL && !nodes_[n.b].on_data) return product(n.a, negative(n.b));
  }
  return add_node({Op::NEG, a, -1, -1, 0});
}

int Graph::product(int a, int b) {
  if (is_constant(a, 1)) return b;
  if (is_constant(b, 1)) return a;
  if (is_constant(a, -1)) return negative(b);
  if (is_constant(b, -1)) return negative(a);
  if (nodes_[a].op == Op::NEG && nodes_[b].op == Op::NEG) return product(nodes_[a].a, nodes_[b].a);
  if (nodes_[a].op == Op::NEG && mixed(a)) return negative(product(nodes_[a].a, b));
  if (nodes_[b].op == Op::NEG && mixed(b)) return negative(product(a, nodes_[b].a));
  if (int folded = fold(Op::MUL, a, b); folded >= 0) return folded;
  if (a == b) return make(Op::SQUARE, a);
  // Gather factors that do not depend on data, then factors that do not depend on parameters.
  for (int turn = 0; turn < 2; ++turn, std::swap(a, b)) {
    if (nodes_[a].on_data || nodes_[b].op != Op::MUL || !nodes_[b].on_data) continue;
    const Node inner = nodes_[b];
    if (!nodes_[inner.a].on_data) return product(product(a, inner.a), inner.b);
    if (!nodes_[inner.b].on_data) return product(product(a, inner.b), inner.a);
  }
  if (a > b) std::swap(a, b);
  return add_node({Op::MUL, a, b, -1, 0});
}

int Graph::quotient(int a, int b) {
  if (is_constant(b, 1)) return a;
  if (is_constant(b) && power_of_two(nodes_[b].value)) return product(a, constant(1 / nodes_[b].value));
  if (int folded = fold(Op::DIV, a, b); folded >= 0) return folded;
  if (nodes_[b].op == Op::EXP && !is_constant(b)) return product(a, make(Op::EXP, negative(nodes_[b].a)));
  if (nodes_[b].op == Op::MUL) {   // a/(u*exp(t)) = (a/u)*exp(-t)
    const Node n = nodes_[b];
    for (auto [u, e] : {std::pair{n.a, n.b}, std::pair{n.b, n.a}})
      if (nodes_[e].op == Op::EXP) return product(quotient(a, u), make(Op::EXP, negative(nodes_[e].a)));
  }
  if (nodes_[b].op == Op::ADD) {   // a/(u + exp(t)) = (a/u)*logistic(log u - t), whose derivatives never overflow
    const Node n = nodes_[b];
    for (auto [u, e] : {std::pair{n.a, n.b}, std::pair{n.b, n.a}})
      if (nodes_[e].op == Op::EXP && known_positive(u)) {
        const int ahead = difference(nodes_[e].a, logarithm(u));
        return a == e ? make(Op::LOGISTIC, ahead) : product(quotient(a, u), make(Op::LOGISTIC, negative(ahead)));
      }
  }
  if (nodes_[b].op == Op::NEG) return negative(quotient(a, nodes_[b].a));
  if (nodes_[a].op == Op::NEG && mixed(a)) return negative(quotient(nodes_[a].a, b));
  if (is_constant(a, 1)) return add_node({Op::RECIPROCAL, b, -1, -1, 0});
  return add_node({Op::DIV, a, b, -1, 0});
}

int Graph::logarithm(int a) {
  const Node n = nodes_[a];
  if (is_constant(a)) return constant(scalar_value(Op::LOG, n.value, 0));
  if (n.op == Op::EXP) return n.a;
  if (n.op == Op::LOGISTIC) return negative(node(Op::LOGADDEXP, constant(0), negative(n.a)));
  // A positive data factor comes out: its logarithm is then taken once per data set.
  if (n.op == Op::DIV && n.on_parameters) {
    if (known_positive(n.b)) return difference(logarithm(n.a), logarithm(n.b));
    if (known_positive(n.a)) return difference(logarithm(n.a), logarithm(n.b));
  }
  if (n.op == Op::RECIPROCAL && n.on_parameters) return negative(logarithm(n.a));
  if (n.op == Op::MUL && n.on_parameters) {
    if (known_positive(n.b)) return sum(logarithm(n.a), logarithm(n.b));
    if (known_positive(n.a)) return sum(logarithm(n.a), logarithm(n.b));
  }
  // 1 + exp(t) is beyond all numbers long before its logarithm is.
  if (n.op == Op::ADD)
    for (auto [u, e] : {std::pair{n.a, n.b}, std::pair{n.b, n.a}})
      if (nodes_[e].op == Op::EXP && (nodes_[u].op == Op::EXP || known_positive(u))) return node(Op::LOGADDEXP, logarithm(u), nodes_[e].a);
  return add_node({Op::LOG, a, -1, -1, 0});
}

int Graph::integer_power(int base, int exponent) {
  int result = -1;
  for (int bits = std::abs(exponent); bits; bits >>= 1) {
    if (bits & 1) result = result < 0 ? base : product(result, base);
    if (bits > 1) base = make(Op::SQUARE, base);
  }
  if (result < 0) return constant(1);
  return exponent < 0 ? quotient(constant(1), result) : result;
}

int Graph::power(int base, int exponent) {
  const Node p = nodes_[exponent], x = nodes_[base];
  if (p.op == Op::CONST) {
    if (p.value == std::floor(p.value) && std::fabs(p.value) <= kLargestIntegerPower && x.op != Op::EXP)
      return integer_power(base, static_cast<int>(p.value));
    if (p.value == 0.5) return make(Op::SQRT, base);
    if (p.value == -0.5) return quotient(constant(1), make(Op::SQRT, base));
  }
  if (x.op == Op::EXP) return make(Op::EXP, product(exponent, x.a));
  // A zero exponent or a zero base (log = -inf) must not give 0*inf.
  int log_base = logarithm(base);
  Op times = known_positive(base) ? Op::MUL : Op::MUL0;
  return make(Op::EXP, make(times, exponent, log_base));
}

int load_graph(const GraphView& view, Graph& graph) {
  auto refuse = [](const std::string& why) { throw std::invalid_argument("graph: " + why); };
  if (view.nodes < 1) refuse("no nodes");
  std::vector<int> id(view.nodes);
  for (int i = 0; i < view.nodes; ++i) {
    if (view.op[i] < 0 || view.op[i] >= kOpCount || !kOps[view.op[i]].is_public)
      refuse("unknown operation at node " + std::to_string(i));
    Op op = static_cast<Op>(view.op[i]);
    auto child = [&](const int32_t* list) {
      const int32_t k = list[i];
      if (k < 0 || k >= i) refuse("bad child at node " + std::to_string(i));
      return id[k];
    };
    auto index = [&](int limit) {
      if (view.a[i] < 0 || view.a[i] >= limit) refuse("index out of range at node " + std::to_string(i));
      return view.a[i];
    };
    switch (op) {
      case Op::CONST: id[i] = graph.constant(view.value[i]); break;
      case Op::PARAM: id[i] = graph.parameter(index(view.parameters)); break;
      case Op::VAR: id[i] = graph.variable(index(view.variables)); break;
      default:
        id[i] = graph.make(op, child(view.a), arity(op) > 1 ? child(view.b) : -1, arity(op) > 2 ? child(view.c) : -1);
    }
  }
  return id[view.nodes - 1];
}

}  // namespace lawfit
