// Ends at the very edge of a law's domain, like that of log1p(x/q) where x/q is -1 but for rounding.
#pragma once
#include "row_model.hpp"
#include "solver.hpp"

namespace lawfit {

// Where the law has no value a few last digits of a parameter further on, and a slope that grows without
// end on the way: moves it to the last of those that have one. No step of finite length gets there.
// Did any move? The objective may have risen a little, until the others follow.
bool reach_domain_edge(RowModel& model, const Problem& problem, const RowView& range, double* parameters);

// Where the law as it is typed has no value, but for the last digits of a parameter: moves that by as
// little as gives it one. Returns the objective there, infinity when there is none.
double leave_domain_edge(RowModel& model, const Problem& problem, const RowView& range, double* parameters);

}  // namespace lawfit
