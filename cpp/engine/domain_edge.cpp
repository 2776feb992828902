#include "domain_edge.hpp"

#include <cmath>

namespace lawfit {

namespace {
constexpr int kLastDigits = 4;    // units in the last place by which two ways to compute a law differ
}  // namespace

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
