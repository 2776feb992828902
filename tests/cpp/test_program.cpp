// Laws built by hand through load_graph: values and derivatives against plain C++, and graphs
// that nobody should be able to get past the door.
#include <cmath>
#include <functional>
#include <stdexcept>
#include <string>

#include "../../cpp/engine/row_model.hpp"
#include "check.hpp"
#include "laws.hpp"

using namespace lawfit;
using laws::Builder;

namespace {

struct Evaluated {
  std::vector<double> value, jacobian;
};

Evaluated evaluate(const Builder& g, const std::vector<double>& parameters,
                   const std::vector<std::vector<double>>& columns) {
  const int64_t n = static_cast<int64_t>(columns[0].size());
  const std::vector<double> y(n, 1.0);
  std::vector<const double*> pointers;
  for (const auto& column : columns) pointers.push_back(column.data());
  const TableView table{pointers.data(), y.data(), nullptr, nullptr, n};
  const size_t p = parameters.size();
  const CompiledLaw law(g.view(), table, std::vector<double>(p, -INFINITY),
                        std::vector<double>(p, INFINITY));
  RowModel model(law, table, {Space::linear, Loss::squared, 1, 0.5}, n);
  Evaluated out{std::vector<double>(n), std::vector<double>(n * p)};
  model.rows(parameters.data(), {0, n},
             {out.value.data(), nullptr, nullptr, nullptr, out.jacobian.data()});
  return out;
}

bool near(double a, double b, double relative) {
  return std::fabs(a - b) <= relative * std::fmax(std::fabs(b), 1e-300);
}

using Plain = std::function<double(const std::vector<double>&, const std::vector<double>&)>;

// Value to 1e-13; derivatives to what central differences of the plain function can tell.
void compare(const Builder& g, const Plain& plain, std::vector<double> parameters,
             const std::vector<std::vector<double>>& columns) {
  const Evaluated got = evaluate(g, parameters, columns);
  const size_t p = parameters.size();
  for (size_t r = 0; r < columns[0].size(); ++r) {
    std::vector<double> row;
    for (const auto& column : columns) row.push_back(column[r]);
    CHECK(near(got.value[r], plain(parameters, row), 1e-13));
    for (size_t k = 0; k < p; ++k) {
      const double at = parameters[k], h = 6e-6 * std::fmax(std::fabs(at), 1e-2);
      parameters[k] = at + h;
      const double above = plain(parameters, row);
      parameters[k] = at - h;
      const double below = plain(parameters, row);
      parameters[k] = at;
      const double slope = (above - below) / (2 * h), noise = 4e-16 * std::fabs(above) / h;
      CHECK(std::fabs(got.jacobian[r * p + k] - slope) <= 1e-8 * std::fabs(slope) + noise);
    }
  }
}

// 23 rows: no multiple of any lane count.
const std::vector<std::vector<double>> table = [] {
  std::vector<std::vector<double>> columns(2);
  for (int r = 0; r < 23; ++r) {
    columns[0].push_back(0.3 + 0.37 * r);
    columns[1].push_back(std::exp(0.2 * r - 2));
  }
  return columns;
}();

bool refused(Builder g) {
  Graph graph({true, true});
  try {
    load_graph(g.view(), graph);
  } catch (const std::invalid_argument& error) {
    return std::string(error.what()).find("graph: ") == 0;
  }
  return false;
}

}   // namespace

TEST(two_power_laws) {
  compare(
      laws::two_terms(),
      [](auto& t, auto& x) {
        return t[0] + t[1] / std::pow(x[0], t[2]) + t[3] / std::pow(x[1], t[4]);
      },
      {1.7, 4.2, 0.34, 0.9, 0.28}, table);
}
TEST(sum_of_exponentials_inside_a_logarithm) {
  Builder g;
  const auto first = g.p(0) - g.p(1) * g.of(Op::LOG, g.x(0)),
             second = g.p(2) - g.p(3) * g.of(Op::LOG, g.x(1));
  g.of(Op::LOGADDEXP, g.of(Op::LOGADDEXP, first, second), g.p(4));
  compare(
      g,
      [](auto& t, auto& x) {
        return std::log(std::exp(t[0]) * std::pow(x[0], -t[1]) +
                        std::exp(t[2]) * std::pow(x[1], -t[3]) + std::exp(t[4]));
      },
      {0.4, 0.3, -0.2, 0.5, 0.6}, table);
}
TEST(one_of_everything_smooth) {
  Builder g;
  const auto z = g.p(0) * g.x(0) + g.p(1);
  g.of(Op::TANH, z) + g.of(Op::SIN, z) * g.of(Op::COS, z) + g.of(Op::ARCTAN, z) + g.of(Op::ERF, z) +
      g.of(Op::NORMCDF, z) + g.of(Op::LOGISTIC, z) + g.of(Op::EXPM1, z / g.c(9)) +
      g.of(Op::LOG1P, g.x(1) * g.p(2)) + g.of(Op::SQRT, g.x(1) + g.p(2)) +
      g.of(Op::GAMMALN, g.x(0) + g.p(2)) + g.of(Op::LOG10, g.x(0) + g.p(2)) +
      g.of(Op::LOG2, g.x(1) + g.p(2)) + pow(g.x(0) + g.p(2), g.c(3));
  compare(
      g,
      [](auto& t, auto& x) {
        const double u = t[0] * x[0] + t[1];
        return std::tanh(u) + std::sin(u) * std::cos(u) + std::atan(u) + std::erf(u) +
               0.5 * std::erfc(-u / std::sqrt(2.0)) + 1 / (1 + std::exp(-u)) + std::expm1(u / 9) +
               std::log1p(x[1] * t[2]) + std::sqrt(x[1] + t[2]) + std::lgamma(x[0] + t[2]) +
               std::log10(x[0] + t[2]) + std::log2(x[1] + t[2]) + std::pow(x[0] + t[2], 3);
      },
      {0.41, -0.73, 1.19}, table);
}
TEST(the_gamma_family) {
  Builder g;
  g.of(Op::BETALN, g.p(0) * g.x(0), g.p(1) + g.x(1)) + g.of(Op::DIGAMMA, g.p(1) * g.x(0));
  compare(
      g,
      [](auto& t, auto& x) {
        const double a = t[0] * x[0], b = t[1] + x[1], z = t[1] * x[0] + 20;
        const double s = 1 / (z * z);
        double digamma = std::log(z) - 0.5 / z -
                         s * (1.0 / 12 - s * (1.0 / 120 - s * (1.0 / 252 - s * (1.0 / 240 - s / 132))));
        for (int k = 0; k < 20; ++k) digamma -= 1 / (z - 20 + k);
        return std::lgamma(a) + std::lgamma(b) - std::lgamma(a + b) + digamma;
      },
      {0.41, 0.73}, table);
}
// Every kind of operand: a condition on data, on parameters, on both; branches likewise.
TEST(choices) {
  Builder g;
  const auto on_data = g.of(Op::LESS, g.x(0), g.c(4.1)), on_both = g.of(Op::LESS_EQUAL, g.x(1), g.p(1));
  const auto on_parameters = g.of(Op::LESS, g.p(0), g.p(1)), never = g.of(Op::EQUAL, g.p(0), g.x(0));
  g.of(Op::WHERE, on_data, g.p(0) * g.x(0), g.p(1)) + g.of(Op::WHERE, on_both, g.p(1), g.p(0)) +
      g.of(Op::WHERE, on_parameters, g.x(1) * g.p(0), g.x(0)) +
      g.of(Op::WHERE, on_data, g.x(0), g.x(1)) * g.p(1) +
      g.of(Op::WHERE, on_parameters * on_both, g.p(0), g.x(1) * g.p(0)) +
      g.of(Op::WHERE, never, g.p(0), g.of(Op::WHERE, on_both, g.x(1) * g.p(0), g.p(1) * g.p(0)));
  compare(
      g,
      [](auto& t, auto& x) {
        return (x[0] < 4.1 ? t[0] * x[0] : t[1]) + (x[1] <= t[1] ? t[1] : t[0]) +
               (t[0] < t[1] ? x[1] * t[0] : x[0]) + (x[0] < 4.1 ? x[0] : x[1]) * t[1] +
               (t[0] < t[1] && x[1] <= t[1] ? t[0] : x[1] * t[0]) +
               (x[1] <= t[1] ? x[1] * t[0] : t[1] * t[0]);
      },
      {0.917, 2.113}, table);
}
// The branch not taken may have any value and any slope.
TEST(a_branch_not_taken_leaves_no_trace) {
  Builder g;
  const auto above = g.x(0) - g.p(0);
  const auto taken = g.of(Op::LESS, g.c(0), above);
  g.of(Op::WHERE, taken, pow(above, g.p(1)) + g.of(Op::LOG, above), g.p(1)) +
      g.of(Op::SQRT, g.of(Op::WHERE, taken, above, g.c(0)));
  const Evaluated got = evaluate(g, {3, 0.7}, table);
  for (size_t r = 0; r < table[0].size(); ++r) {
    const double z = table[0][r] - 3;
    const double slope = z > 0 ? -0.7 * std::pow(z, -0.3) - 1 / z - 0.5 / std::sqrt(z) : 0;
    CHECK(near(got.value[r], z > 0 ? std::pow(z, 0.7) + std::log(z) + std::sqrt(z) : 0.7, 1e-13));
    CHECK(slope == 0 ? got.jacobian[2 * r] == 0 : near(got.jacobian[2 * r], slope, 1e-13));
    CHECK(near(got.jacobian[2 * r + 1], z > 0 ? std::pow(z, 0.7) * std::log(z) : 1, 1e-13));
  }
}
TEST(kinks_take_the_side_they_are_on) {
  Builder g;
  g.of(Op::MIN, g.p(0) * g.x(0), g.p(1)) + g.of(Op::MAX, g.p(0), g.of(Op::ABS, g.x(1) - g.p(1)));
  compare(
      g,
      [](auto& t, auto& x) {
        return std::fmin(t[0] * x[0], t[1]) + std::fmax(t[0], std::fabs(x[1] - t[1]));
      },
      {0.917, 2.113}, table);
}
TEST(a_law_of_parameters_alone_and_a_law_of_data_alone) {
  Builder constant;
  constant.p(0) * constant.p(1);
  const Evaluated product = evaluate(constant, {3, 5}, table);
  Builder data;
  data.x(0) * data.x(1);
  const Evaluated columns = evaluate(data, {}, table);
  for (size_t r = 0; r < table[0].size(); ++r) {
    CHECK(product.value[r] == 15 && product.jacobian[2 * r] == 5 &&
          product.jacobian[2 * r + 1] == 3);
    CHECK(columns.value[r] == table[0][r] * table[1][r]);
  }
}
TEST(equal_subexpressions_become_one_node) {
  Graph graph({true});
  const int x = graph.variable(0), p = graph.parameter(0);
  const int once = graph.make(Op::EXP, graph.make(Op::MUL, p, x));
  const int size = graph.size();
  CHECK(graph.make(Op::EXP, graph.make(Op::MUL, x, p)) == once);
  CHECK(graph.size() == size);
}
TEST(derivatives_share_their_products) {
  const CompiledLaw law(laws::two_terms().view(), {true, true}, std::vector<double>(5, -INFINITY), std::vector<double>(5, INFINITY));
  // Two exponentials, two amplitudes times them, two sums; a product more for every derivative.
  const auto end = [&](Tier tier) { return law.centred.points_end[static_cast<int>(tier)]; };
  CHECK(end(Tier::value) == 6);
  CHECK(end(Tier::linear) == 6);   // the exponentials themselves
  CHECK(end(Tier::jacobian) == 8);
  CHECK(end(Tier::hessian) == 12);
}
TEST(a_power_of_powers_is_no_product_of_a_million) {
  Builder g;
  auto z = g.p(0) * g.x(0) + g.p(1);
  for (int i = 0; i < 3; ++i) z = pow(z, g.c(1000));
  const Evaluated out = evaluate(g, {0.5, 0.5}, {{1.0, 1.0 + 1e-9}});
  CHECK(out.value[0] == 1 && out.jacobian[0] == 1e9);
  CHECK(near(out.jacobian[2], 1e9 * (1 + 1e-9) * std::exp(0.5 * (1 - 1e-9)), 1e-6));
}
TEST(a_deep_derivative_is_made_once) {
  Builder g;
  auto z = g.p(0) * g.x(0);
  for (int i = 0; i < 40; ++i) z = g.of(Op::SIN, z) + g.of(Op::COS, z);
  const Evaluated out = evaluate(g, {1.0}, {{0.0, 1.0}});
  CHECK(out.jacobian[0] == 0 && std::isfinite(out.jacobian[1]));
}
TEST(constants_are_folded) {
  Builder g;
  g.of(Op::EXP, g.c(2) * g.c(3)) - g.c(1);
  Graph graph({});
  const int root = load_graph(g.view(), graph);
  CHECK(graph.is_constant(root) && near(graph[root].value, std::exp(6.0) - 1, 1e-15));
}

// ---- hostile graphs
// ------------------------------------------------------------------------------

TEST(an_empty_graph_is_refused) { CHECK(refused({})); }
TEST(children_must_come_before_their_parents) {
  for (int child : {-1, -2147483647, 2, 3, 2147483647}) {
    Builder left;
    left.x(0), left.p(0);
    left.node(Op::ADD, child, 0);
    CHECK(refused(left));
    Builder right;
    right.x(0), right.p(0);
    right.node(Op::ADD, 0, child);
    CHECK(refused(right));
    Builder unary;
    unary.x(0), unary.p(0);
    unary.node(Op::EXP, child);
    CHECK(refused(unary));
    Builder third;
    third.x(0), third.p(0);
    third.node(Op::WHERE, 0, 1, 0, child);
    CHECK(refused(third));
  }
}
TEST(unknown_and_inner_operations_are_refused) {
  for (int op : {-1, -2147483647, op_count(), op_count() + 1, 255, 256, 2147483647}) {
    Builder g;
    g.x(0);
    g.node(static_cast<Op>(0), 0, 0);
    g.op.back() = op;
    CHECK(refused(g));
  }
  int inner = 0;
  for (int op = 0; op < op_count(); ++op) {
    if (op_is_public(static_cast<Op>(op))) continue;
    Builder g;
    g.x(0);
    g.node(static_cast<Op>(op), 0, 0);
    CHECK(refused(g));
    ++inner;
  }
  CHECK(inner > 0);
}
TEST(deeply_nested_choices_are_no_danger) {
  Builder g;
  auto z = g.p(0) * g.x(0);
  for (int i = 0; i < 2000; ++i) z = g.of(Op::WHERE, g.of(Op::LESS, z, g.c(i)), g.x(0) + z, z * z);
  Graph graph({true});
  const int root = load_graph(g.view(), graph);
  CHECK(graph.gradient(root, 1)[0] >= 0);
}
TEST(indices_of_parameters_and_variables_stay_in_range) {
  for (Op leaf : {Op::PARAM, Op::VAR})
    for (int index : {-1, 1, 2147483647}) {
      Builder g;
      g.node(leaf, index);
      g.parameters = g.variables = 1;
      CHECK(refused(g));
    }
}
TEST(a_deep_graph_is_no_danger) {
  Builder g;
  auto z = g.p(0) * g.x(0);
  for (int i = 0; i < 20000; ++i) z = g.of(Op::SIN, z);
  Graph graph({true});
  CHECK(graph[load_graph(g.view(), graph)].op == Op::SIN);
}

int main() { return check::run_tests(); }
