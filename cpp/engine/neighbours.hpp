// Points around an optimum, as far off as the data leave it open. A kinked loss has optima of its own
// there, one where it bends at other rows.
#pragma once
#include "row_model.hpp"

namespace lawfit {

// `number` points (natural scale, inside the bounds) around `optimum`, number x parameters into `out`.
// False where its rows do not say how far to go.
bool draw_neighbours(RowModel& model, const RowView& range, const double* optimum, const std::vector<double>& lower, const std::vector<double>& upper,
                     uint64_t seed, int number, double* out);

}  // namespace lawfit
