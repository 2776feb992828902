#include "centring.hpp"

#include <algorithm>

#include "scaling.hpp"
#include "vector_math.hpp"

namespace lawfit {

namespace {

// p = coefficient * parameter (or a constant): the simple slopes that centring understands.
bool simple_slope(const Graph& graph, int i, int& parameter, double& coefficient) {
  const Node& n = graph[i];
  switch (n.op) {
    case Op::CONST: parameter = -1; coefficient = n.value; return true;
    case Op::PARAM: parameter = static_cast<int>(n.value); coefficient = 1; return true;
    case Op::NEG:
      if (!simple_slope(graph, n.a, parameter, coefficient)) return false;
      coefficient = -coefficient;
      return true;
    case Op::MUL:
      for (auto [c, p] : {std::pair{n.a, n.b}, std::pair{n.b, n.a}})
        if (graph.is_constant(c) && simple_slope(graph, p, parameter, coefficient)) {
          coefficient *= graph[c].value;
          return true;
        }
      return false;
    case Op::DIV:
      if (!graph.is_constant(n.b) || !simple_slope(graph, n.a, parameter, coefficient)) return false;
      coefficient /= graph[n.b].value;
      return true;
    default: return false;
  }
}

// A logarithm up to constants and factors: a rate times the mean of x itself may be hundreds of
// e-folds, which no parameter could be scaled by.
bool logarithmic(const Graph& graph, int i) {
  const Node& n = graph[i];
  switch (n.op) {
    case Op::LOG: return true;
    case Op::NEG: return logarithmic(graph, n.a);
    case Op::ADD: case Op::SUB:
      return (graph.is_constant(n.a) || logarithmic(graph, n.a)) && (graph.is_constant(n.b) || logarithmic(graph, n.b));
    case Op::MUL: return (graph.is_constant(n.a) && logarithmic(graph, n.b)) || (graph.is_constant(n.b) && logarithmic(graph, n.a));
    default: return false;
  }
}

class CentreFinder {
 public:
  CentreFinder(const Graph& graph, int root, const std::vector<std::vector<int>>& consumers, const std::vector<bool>& movable,
               const std::vector<bool>& unbounded)
      : graph_(graph), root_(root), consumers_(consumers), movable_(movable), unbounded_(unbounded), live_(root + 1, 0) {
    live_[root] = 1;
    for (int i = 0; i < root; ++i) live_[i] = !consumers[i].empty();
  }

  // A node qualifies when every use of it can hand its shift to partners.
  void consider(int node, Centring& centring) {
    const int column = static_cast<int>(centring.nodes.size());
    shifts_.clear();
    powers_.clear();
    for (int use : consumers_[node]) {
      const Node& n = graph_[use];
      CentreShift shift{column, -1, false, -1, 1};
      if (n.op == Op::MUL && (n.a == node) != (n.b == node)) {
        if (!simple_slope(graph_, n.a == node ? n.b : n.a, shift.parameter, shift.coefficient)) return;
        if (!absorb(use, shift)) return;
      } else if (n.op == Op::ADD || n.op == Op::SUB) {   // slope one, used bare
        if (at_an_edge(use) || !bare_offset(use, node, shift)) return;
        shifts_.push_back(shift);
      } else {
        return;
      }
    }
    if (!powers_.empty() && (!logarithmic(graph_, node) || !rescale(column))) return;
    if (shifts_.empty()) return;
    centring.nodes.push_back(node);
    centring.shifts.insert(centring.shifts.end(), shifts_.begin(), shifts_.end());
  }

 private:
  struct Power { int node, parameter; double coefficient; };   // exp(coefficient * parameter * column)

  // The edge of a logarithm's or a root's domain is where the sum is zero: moved there and back it would be rounded.
  bool at_an_edge(int sum) const {
    return std::any_of(consumers_[sum].begin(), consumers_[sum].end(), [&](int above) {
      const Op op = graph_[above].op;
      return op == Op::LOG || op == Op::LOG2 || op == Op::LOG10 || op == Op::LOG1P || op == Op::SQRT || op == Op::POW;
    });
  }
  bool bare_offset(int use, int node, CentreShift& shift) {
    const Node& n = graph_[use];
    int other = n.a == node ? n.b : n.a;
    shift.coefficient = n.op == Op::SUB && n.a != node ? -1 : 1;
    return offset_partner(use, other, n.op == Op::SUB && n.b == other, shift);
  }
  // Every use of slope * column.
  bool absorb(int carrier, const CentreShift& slope) {
    for (int above : consumers_[carrier]) {
      const Node& n = graph_[above];
      CentreShift shift = slope;
      if (n.op == Op::EXP) {
        powers_.push_back({above, shift.parameter, shift.coefficient});
      } else if (n.op == Op::NEG) {
        shift.coefficient = -shift.coefficient;
        if (!absorb(above, shift)) return false;
      } else if (n.op == Op::ADD || n.op == Op::SUB) {
        if (n.op == Op::SUB && n.b == carrier) shift.coefficient = -shift.coefficient;
        const int other = n.a == carrier ? n.b : n.a;
        if (!offset_partner(above, other, n.op == Op::SUB && n.b == other, shift)) return false;
        shifts_.push_back(shift);
      } else {
        return false;
      }
    }
    return true;
  }
  // Powers that share an exponent are scaled together; parameters that are multiplied by powers of
  // the same factor leave the law as it is.
  bool rescale(int column) {
    std::vector<int> exponents;
    for (const Power& power : powers_)
      if (std::find(exponents.begin(), exponents.end(), power.parameter) == exponents.end()) exponents.push_back(power.parameter);
    for (int exponent : exponents) {
      std::vector<ScaledNode> scaled;
      for (const Power& power : powers_) if (power.parameter == exponent) scaled.push_back({power.node, power.coefficient});
      const std::vector<double> degrees = compensating_degrees(graph_, root_, live_, scaled, movable_);
      if (degrees.empty()) return false;
      for (size_t k = 0; k < degrees.size(); ++k)
        if (degrees[k] != 0) shifts_.push_back({column, static_cast<int>(k), true, exponent, -degrees[k]});
    }
    return true;
  }
  // The sum itself, or a sum above it reached through single uses, holds a private offset.
  bool offset_partner(int sum, int other, bool subtracted, CentreShift& shift) {
    double sign = 1;
    for (int depth = 0; depth < 4; ++depth) {
      if (private_parameter(other, unbounded_)) {
        shift.partner = static_cast<int>(graph_[other].value);
        shift.coefficient *= subtracted ? -sign : sign;
        return true;
      }
      if (consumers_[sum].size() != 1) return false;
      int up = consumers_[sum][0];
      const Node& n = graph_[up];
      if (n.op != Op::ADD && n.op != Op::SUB) return false;
      if (n.op == Op::SUB && n.b == sum) sign = -sign;
      other = n.a == sum ? n.b : n.a;
      subtracted = n.op == Op::SUB && n.b == other;
      sum = up;
    }
    return false;
  }
  bool private_parameter(int i, const std::vector<bool>& allowed) const {
    return graph_[i].op == Op::PARAM && consumers_[i].size() == 1 && allowed[static_cast<int>(graph_[i].value)];
  }

  const Graph& graph_;
  const int root_;
  const std::vector<std::vector<int>>& consumers_;
  const std::vector<bool>&movable_, &unbounded_;
  std::vector<char> live_;
  std::vector<CentreShift> shifts_;   // of the node under consideration
  std::vector<Power> powers_;
};

}  // namespace

// Consumers of every node that the model value needs.
std::vector<std::vector<int>> consumers_of(const Graph& graph, int root) {
  std::vector<std::vector<int>> consumers(root + 1);
  std::vector<char> live(root + 1, 0);
  live[root] = 1;
  for (int i = root; i >= 0; --i) {
    if (!live[i]) continue;
    const Node& n = graph[i];
    for (int child : {n.a, n.b, n.c}) if (child >= 0) {
      live[child] = 1;
      if (consumers[child].empty() || consumers[child].back() != i) consumers[child].push_back(i);
    }
  }
  return consumers;
}

Centring find_centring(const Graph& graph, int root, const std::vector<std::vector<int>>& consumers,
                       const std::vector<bool>& movable, const std::vector<bool>& unbounded) {
  Centring centring;
  CentreFinder finder(graph, root, consumers, movable, unbounded);
  for (int i = 0; i <= root; ++i)
    if (graph[i].on_data && !graph[i].on_parameters && !consumers[i].empty() &&
        std::any_of(consumers[i].begin(), consumers[i].end(), [&](int u) { return graph[u].on_parameters; }))
      finder.consider(i, centring);
  return centring;
}

namespace {
// None stays none, by whatever factor.
double times_exp(double value, double exponent) { return value != 0 ? value * v_exp(broadcast(exponent))[0] : value; }
V times_exp(V value, V exponent) { return select(value != V{}, value * v_exp(exponent), value); }

template <class T> void shift_by_means(const Centring& centring, T* parameters, const T* means, double direction) {
  for (const CentreShift& s : centring.shifts) {
    const T shift = direction * centre_shift(s, parameters, means);
    T& partner = parameters[s.partner];
    partner = s.multiplies ? times_exp(partner, shift) : partner + shift;
  }
}
}  // namespace

void shift_centre(const Centring& centring, double* parameters, const double* means, double direction) { shift_by_means(centring, parameters, means, direction); }
void shift_centre(const Centring& centring, V* parameters, const V* means, double direction) { shift_by_means(centring, parameters, means, direction); }

}  // namespace lawfit
