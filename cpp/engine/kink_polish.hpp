// The last digits of fits whose loss has a kink: descent along the rows whose residual is zero.
#pragma once
#include "row_model.hpp"

namespace lawfit {

// Lowers the exact objective of `parameters` in place, keeping to the bounds; returns it.
double polish_kinks(RowModel& model, const ObjectiveSpec& spec, const std::vector<double>& lower, const std::vector<double>& upper,
                    int64_t begin, int64_t count, double* parameters);

}  // namespace lawfit
