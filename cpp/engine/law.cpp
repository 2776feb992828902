#include "law.hpp"

#include <cmath>
#include <cstring>

#include "factors.hpp"

namespace lawfit {

namespace {
constexpr int kLargestSecondOrder = 40;   // parameters beyond which no second derivatives are made
}  // namespace

bool all_positive(const double* values, int64_t rows) {
  // Positive finite numbers are those whose bits lie between zero's and infinity's.
  constexpr uint64_t kInfinity = uint64_t{0x7ff} << 52;
  uint64_t others = 0;
  for (int64_t r = 0; r < rows; ++r) {
    uint64_t bits;
    std::memcpy(&bits, values + r, sizeof bits);
    others |= bits - 1 >= kInfinity - 1;
  }
  return !others;
}

std::vector<bool> positive_columns(int variables, const TableView& table) {
  std::vector<bool> positive;
  for (int v = 0; v < variables; ++v) positive.push_back(all_positive(table.columns[v], table.rows));
  return positive;
}

CompiledLaw::CompiledLaw(const GraphView& view, const TableView& table, const std::vector<double>& lower, const std::vector<double>& upper)
    : CompiledLaw(view, positive_columns(view.variables, table), lower, upper) {}

CompiledLaw::CompiledLaw(const GraphView& view, const std::vector<bool>& positive, const std::vector<double>& lower, const std::vector<double>& upper)
    : graph(positive) {
  root = load_graph(view, graph);
  priors = load_priors(view);
  std::vector<bool> movable, unbounded;
  for (size_t k = 0; k < lower.size(); ++k) {
    // A parameter that something is believed of stays what it is: it takes part in no centring.
    const bool believed = std::any_of(priors.begin(), priors.end(), [&](const Prior& prior) { return prior.parameter == static_cast<int>(k); });
    const bool no_upper = upper[k] == INFINITY && !believed;
    movable.push_back(no_upper && (lower[k] == 0 || lower[k] == -INFINITY));
    unbounded.push_back(no_upper && lower[k] == -INFINITY);
  }
  analysis = analyse(graph, root, view.parameters, movable, unbounded, view.parameters <= kLargestSecondOrder);
  bool second_order = view.parameters <= kLargestSecondOrder;
  const int value = share_factors(graph, root, analysis);
  natural = compile(graph, root, analysis, false, true, second_order);   // divides where the user does
  if (natural.points.size() > kLargestProgram) {
    second_order = false;
    natural = compile(graph, root, analysis, false, true, false);
  }
  centred = compile(graph, value, analysis, true, true, second_order);
  const Op last = graph[root].op;
  exponential_target = last == Op::LOG || last == Op::LOGADDEXP;
}

}  // namespace lawfit
