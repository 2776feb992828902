#include "least_squares.hpp"

#include <algorithm>
#include <cmath>

namespace lawfit {

namespace {
constexpr double kUnidentified = 1e-12;   // relative pivot below which the equations say nothing
constexpr double kRoundedPivot = 1e-15;   // relative pivot that may be all rounding
}  // namespace

void bounded_least_squares(int n, const double* gram, const double* right, const double* lower, const double* upper, double* x) {
  constexpr int kSweeps = 300;
  for (int i = 0; i < n; ++i) x[i] = std::clamp(0.0, lower[i], upper[i]);
  for (int sweep = 0; sweep < kSweeps; ++sweep) {
    double change = 0, size = 0;
    for (int i = 0; i < n; ++i) {
      const double diagonal = gram[i * n + i];
      if (!(diagonal > 0)) continue;
      double gradient = -right[i];
      for (int j = 0; j < n; ++j) gradient += gram[i * n + j] * x[j];
      const double to = std::clamp(x[i] - gradient / diagonal, lower[i], upper[i]);
      change = std::max(change, std::fabs(to - x[i]) * std::sqrt(diagonal));
      size = std::max(size, std::fabs(to) * std::sqrt(diagonal));
      x[i] = to;
    }
    if (change <= 1e-6 * size) break;
  }
}

// Plain least squares by Gauss elimination on the correlation-scaled normal matrix; false when
// it is not positive definite enough to say anything.
bool plain_least_squares(int n, const double* gram, const double* right, double* work, double* x) {
  for (int i = 0; i < n; ++i) if (!(gram[i * n + i] > 0)) return false;
  for (int i = 0; i < n; ++i) {
    for (int j = 0; j < n; ++j) work[i * n + j] = gram[i * n + j] / std::sqrt(gram[i * n + i] * gram[j * n + j]);
    x[i] = right[i] / std::sqrt(gram[i * n + i]);
  }
  for (int i = 0; i < n; ++i) {
    if (!(work[i * n + i] > kUnidentified)) return false;
    for (int j = i + 1; j < n; ++j) {
      const double factor = work[j * n + i] / work[i * n + i];
      for (int k = i; k < n; ++k) work[j * n + k] -= factor * work[i * n + k];
      x[j] -= factor * x[i];
    }
  }
  for (int i = n - 1; i >= 0; --i) {
    for (int k = i + 1; k < n; ++k) x[i] -= work[i * n + k] * x[k];
    x[i] /= work[i * n + i];
  }
  for (int i = 0; i < n; ++i) x[i] /= std::sqrt(gram[i * n + i]);
  return true;
}

bool factor_definite(int n, double* a) {
  for (int i = 0; i < n; ++i)
    for (int j = 0; j <= i; ++j) {
      double sum = a[i * n + j];
      for (int k = 0; k < j; ++k) sum -= a[i * n + k] * a[j * n + k];
      if (j < i) a[i * n + j] = sum / a[j * n + j];
      else if (!(sum > kRoundedPivot * std::fabs(a[i * n + i]))) return false;
      else a[i * n + i] = std::sqrt(sum);
    }
  return true;
}

void solve_lower(int n, const double* l, double* x) {
  for (int i = 0; i < n; ++i) {
    for (int k = 0; k < i; ++k) x[i] -= l[i * n + k] * x[k];
    x[i] /= l[i * n + i];
  }
}

void solve_transposed(int n, const double* l, double* x) {
  for (int i = n - 1; i >= 0; --i) {
    for (int k = i + 1; k < n; ++k) x[i] -= l[k * n + i] * x[k];
    x[i] /= l[i * n + i];
  }
}

}  // namespace lawfit
