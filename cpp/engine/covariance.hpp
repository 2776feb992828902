// Covariances of fitted parameters, and which parameters the data cannot tell apart.
#pragma once
#include "row_model.hpp"
#include "solver.hpp"

namespace lawfit {

enum class CovarianceKind { jacobian, hessian, sandwich };

// parameters x parameters into `out`; NaN where undefined: parameters on a bound, no degrees of
// freedom, or a singular matrix. absolute: sigma is known, so no scale is estimated.
void covariance(RowModel& model, const double* parameters, const int8_t* active, int64_t count, CovarianceKind kind,
                bool absolute, double* out, int p);

// Row i of `tradeoff` marks the parameters that i trades off with, itself when the fitted values do
// not feel it at all. True when there are any: the scaled Jacobian of the parameters that no bound
// holds does not have full rank, or one of its columns says nothing.
bool find_tradeoffs(RowModel& model, const Problem& problem, const double* parameters, const int8_t* active, int64_t begin, int64_t count,
                    uint8_t* tradeoff);

}  // namespace lawfit
