// Small dense systems, row by row: least squares from normal equations, and Cholesky's factors.
#pragma once

namespace lawfit {

// Minimise 0.5*x'Gx - r'x for an n x n matrix G (row by row).
// Within lower <= x <= upper.
void bounded_least_squares(int n, const double* gram, const double* right, const double* lower, const double* upper, double* x);
// Without bounds; false when G is not positive definite enough to say anything. `work`: n x n.
bool plain_least_squares(int n, const double* gram, const double* right, double* work, double* x);

// The lower triangle of a symmetric matrix becomes its factor L; false unless it is positive definite.
bool factor_definite(int n, double* matrix);
void solve_lower(int n, const double* factor, double* x);        // L x
void solve_transposed(int n, const double* factor, double* x);   // L' x

}  // namespace lawfit
