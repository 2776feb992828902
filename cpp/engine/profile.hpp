// Profiles: how far a quantity can move before the best objective has risen by a given amount.
#pragma once
#include <vector>

#include "constrained.hpp"

namespace lawfit {

enum class EndKind : int8_t { closed, bound, open, infeasible };   // see ProfileTable::kind

struct ProfileRequest {
  TableView table;
  ObjectiveSpec objective;
  std::vector<double> lower, upper, fitted;
  int64_t quantities;
  const double* rise;              // per quantity: of the objective, at the ends
  const double* tangent;           // quantities x parameters: change of parameters per unit of the quantity
  const double* step;              // per quantity: a first guess of the distance to the ends
  const double *least, *most;      // per quantity: values it cannot pass (bounds), infinite if none
  int points;                      // on each side of the optimum, besides the search's own
};
struct ProfilePath {               // along one quantity, in ascending order of its value
  std::vector<double> value, objective, parameters;
};
struct ProfileTable {
  std::vector<double> low, high;   // the ends; the last value reached where an end is open
  std::vector<int8_t> low_kind, high_kind;   // closed: found; bound: reached before the rise;
                                   // open: no rise however far; infeasible: the quantity ends there
  std::vector<double> centre;      // of each quantity, at the fitted parameters
  std::vector<double> best;        // lowest objective met
  std::vector<ProfilePath> paths;
};
ProfileTable profile(const CompiledLaw& law, const CompiledLaw& quantity, const QuantityView& quantities, const ProfileRequest& request,
                     const FitOptions& options);

}  // namespace lawfit
