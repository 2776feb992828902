// Small dense least squares from normal equations: the linear parameters of a start.
#pragma once

namespace lawfit {

// Minimise 0.5*x'Gx - r'x for an n x n matrix G (row by row).
// Within lower <= x <= upper, by cyclic coordinate descent.
void bounded_least_squares(int n, const double* gram, const double* right, const double* lower, const double* upper, double* x);
// Without bounds; false when G is not positive definite enough to say anything. `work`: n x n.
bool plain_least_squares(int n, const double* gram, const double* right, double* work, double* x);

}  // namespace lawfit
