// The last digits of fits whose loss has a kink: descent along the rows whose residual is zero.
#pragma once
#include "row_model.hpp"

namespace lawfit {

struct Polished {
  double objective;
  double gradient_norm;   // as of a fit: along the rows that stay on their kinks
};
// Lowers the exact objective of `parameters` in place, keeping to the bounds; `gradient_norm`: as known so far.
Polished polish_kinks(RowModel& model, const ObjectiveSpec& spec, const std::vector<double>& lower, const std::vector<double>& upper,
                    int64_t begin, int64_t count, double gradient_norm, double* parameters);

}  // namespace lawfit
