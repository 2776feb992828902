#include "least_squares.hpp"

#include <algorithm>
#include <cmath>

namespace lawfit {

namespace {
constexpr double kUnidentified = 1e-12;   // relative pivot below which the equations say nothing
constexpr double kRoundedPivot = 1e-15;   // relative pivot that may be all rounding
constexpr int kMostActive = 4;            // parameters up to which bounds are tried out
}  // namespace

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

namespace {
// Minimiser over the parameters that are not held, which stay where they are.
bool solve_with_held(int n, const double* gram, const double* right, const char* held, double* work, double* x) {
  int free[kMostActive], m = 0;
  double reduced[kMostActive * kMostActive], target[kMostActive], found[kMostActive];
  for (int i = 0; i < n; ++i) if (!held[i]) free[m++] = i;
  for (int a = 0; a < m; ++a) {
    target[a] = right[free[a]];
    for (int j = 0; j < n; ++j) if (held[j]) target[a] -= gram[free[a] * n + j] * x[j];
    for (int b = 0; b < m; ++b) reduced[a * m + b] = gram[free[a] * n + free[b]];
  }
  if (m > 0 && !plain_least_squares(m, reduced, target, work, found)) return false;
  for (int a = 0; a < m; ++a) x[free[a]] = found[a];
  return true;
}

// Few parameters: those that leave their bounds are held there, and let go where the slope leads back
// inside. False where that does not come to an end.
bool by_active_set(int n, const double* gram, const double* right, const double* lower, const double* upper, double* x) {
  char held[kMostActive] = {};
  double work[kMostActive * kMostActive];
  for (int round = 0; round < 3 * n; ++round) {
    if (!solve_with_held(n, gram, right, held, work, x)) return false;
    bool changed = false;
    for (int i = 0; i < n; ++i) {
      if (held[i] || (x[i] >= lower[i] && x[i] <= upper[i])) continue;
      x[i] = std::clamp(x[i], lower[i], upper[i]);
      held[i] = changed = true;
    }
    if (changed) continue;
    for (int i = 0; i < n && !changed; ++i) {
      if (!held[i] || lower[i] == upper[i]) continue;
      double slope = -right[i];
      for (int j = 0; j < n; ++j) slope += gram[i * n + j] * x[j];
      const bool inwards = x[i] <= lower[i] ? slope < 0 : slope > 0;
      if (inwards) held[i] = false, changed = true;
    }
    if (!changed) return true;
  }
  return false;
}

}  // namespace

void bounded_least_squares(int n, const double* gram, const double* right, const double* lower, const double* upper, double* x) {
  if (n <= kMostActive && by_active_set(n, gram, right, lower, upper, x)) return;
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
