// Descent along a valley that is too narrow for normal equations: they square what tells its floor
// from its walls, and below eight digits of that their steps lead nowhere.
#pragma once
#include <functional>

#include "row_model.hpp"
#include "solver.hpp"

namespace lawfit {

struct ValleyEnd {
  double objective, gradient_norm;
  int32_t steps;      // looks at the rows; 0: there was no way down, and nothing else is said
  bool arrived;       // no step promises anything more
};
// Lowers `objective`, that of `parameters`, in place, keeping to the bounds. Neither kinks nor priors are
// looked at. stop: asked before every step.
ValleyEnd follow_valley(RowModel& model, const Problem& problem, const RowView& range, double objective, double* parameters,
                        int most_looks, const std::function<bool()>& stop);

}  // namespace lawfit
