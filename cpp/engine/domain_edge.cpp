#include "domain_edge.hpp"

#include <cmath>

namespace lawfit {

namespace {
constexpr int kLastDigits = 4;    // units in the last place by which two ways to compute a law differ
constexpr int kDigitsToEdge = 8;  // the same from where a fit may have stalled beside the edge
constexpr double kAsLow = 1e-3;   // relative: the others have not followed yet
}  // namespace

bool reach_domain_edge(RowModel& model, const Problem& problem, const RowView& range, double* parameters) {
  const double objective = model.objective(parameters, range);
  bool moved = false;
  for (int k = 0; k < problem.parameters(); ++k) {
    if (problem.linear[k]) continue;
    const double at = parameters[k];
    for (double side : {-infinity, infinity}) {
      double edge = at, f = objective, beyond = objective;
      for (int digits = 0; digits < kDigitsToEdge && std::isfinite(beyond); ++digits) {
        edge = parameters[k];
        f = beyond;
        parameters[k] = std::nextafter(edge, side);
        beyond = parameters[k] < problem.lower[k] || parameters[k] > problem.upper[k] ? f : model.objective(parameters, range);
      }
      const bool found = edge != at && !std::isfinite(beyond) && f <= objective * (1 + kAsLow);
      parameters[k] = found ? edge : at;
      moved |= found;
      if (found) break;
    }
  }
  return moved;
}

double leave_domain_edge(RowModel& model, const Problem& problem, const RowView& range, double* parameters) {
  double objective = model.objective(parameters, range);
  for (int k = 0; k < problem.parameters() && !std::isfinite(objective); ++k) {
    const double at = parameters[k];
    for (double side : {-infinity, infinity}) {
      for (int digits = 0; digits < kLastDigits && !std::isfinite(objective); ++digits) {
        parameters[k] = std::nextafter(parameters[k], side);
        if (parameters[k] < problem.lower[k] || parameters[k] > problem.upper[k]) break;
        objective = model.objective(parameters, range);
      }
      if (std::isfinite(objective)) return objective;
      parameters[k] = at;
    }
  }
  return objective;
}

}  // namespace lawfit
