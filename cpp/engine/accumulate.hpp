// Weighted sums of products of Jacobian columns: the inner loops of every normal matrix.
#pragma once
#include "simd.hpp"

namespace lawfit {

struct JacobianColumn { const double* base; int stride; };   // stride W, or 0 for a uniform column

// packed lower triangle (+)= sum_k weight[k] * J_i[k] * J_j[k]; the `first` block starts from zero.
void add_gram(int parameters, const JacobianColumn* columns, const double* weight, int count, bool first, V* packed);
// sums[i] (+)= sum_k slope[k] * J_i[k].
void add_columns(int number, const JacobianColumn* columns, const double* slope, int count, bool first, V* sums);
// Gram and sums of slopes at once: gradient (+)= sum_k slope[k] * J_i[k].
void add_normal(int parameters, const JacobianColumn* columns, const double* slope, const double* weight, int count, bool first,
                V* gradient, V* packed);

}  // namespace lawfit
