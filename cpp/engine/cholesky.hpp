// Cholesky factorisation and solve of W small systems at once, one per lane.
#pragma once
#include "simd.hpp"

namespace lawfit {

// Packed lower triangle `a` is overwritten by its factors L D L', with the reciprocals of D on the
// diagonal. Returns the lanes whose matrix was positive definite beyond rounding.
LAWFIT_INLINE L cholesky_factor(int p, V* a) {
  const V one = broadcast(1.0), tiny = broadcast(1e-15);
  L definite = broadcast_bits(-1);
  auto at = [](int i, int j) { return i * (i + 1) / 2 + j; };
#pragma GCC unroll 8
  for (int i = 0; i < p; ++i) {
    V pivot = a[at(i, i)];
    const V limit = vabs(pivot) * tiny;
#pragma GCC unroll 8
    for (int j = 0; j < i; ++j) {
      V sum = a[at(i, j)];
#pragma GCC unroll 8
      for (int m = 0; m < j; ++m) sum = fnma(a[at(i, m)], a[at(j, m)], sum);
      a[at(i, j)] = sum;   // still times D
    }
#pragma GCC unroll 8
    for (int j = 0; j < i; ++j) {
      const V entry = a[at(i, j)] * a[at(j, j)];
      pivot = fnma(a[at(i, j)], entry, pivot);
      a[at(i, j)] = entry;
    }
    const L good = pivot > limit;
    definite &= good;
    a[at(i, i)] = one / select(good, pivot, one);
  }
  return definite;
}

// `x` enters as the right-hand side and leaves as the solution; `a` holds cholesky_factor()'s factors.
LAWFIT_INLINE void cholesky_apply(int p, const V* a, V* x) {
  auto at = [](int i, int j) { return i * (i + 1) / 2 + j; };
#pragma GCC unroll 8
  for (int i = 0; i < p; ++i) {
    V sum = x[i];
#pragma GCC unroll 8
    for (int m = 0; m < i; ++m) sum = fnma(a[at(i, m)], x[m], sum);
    x[i] = sum;
  }
#pragma GCC unroll 8
  for (int i = p - 1; i >= 0; --i) {
    V sum = x[i] * a[at(i, i)];
#pragma GCC unroll 8
    for (int m = i + 1; m < p; ++m) sum = fnma(a[at(m, i)], x[m], sum);
    x[i] = sum;
  }
}

// Factorises `a`; `x` enters as the right-hand side and leaves as the solution.
template <int kFixed> L cholesky_solve_fixed(int p_runtime, V* a, V* x) {
  const int p = kFixed ? kFixed : p_runtime;
  const L definite = cholesky_factor(p, a);
  cholesky_apply(p, a, x);
  return definite;
}

// Trace of the inverse of a unit-diagonal matrix, infinite where it is not positive definite; `x` is
// room for p vectors. One over it bounds the smallest eigenvalue from below.
LAWFIT_INLINE V inverse_trace(int p, V* a, V* x) {
  auto at = [](int i, int j) { return i * (i + 1) / 2 + j; };
  const L definite = cholesky_factor(p, a);
  V trace{};
#pragma GCC unroll 8
  for (int j = 0; j < p; ++j) {
    x[j] = broadcast(1.0);
    trace += a[at(j, j)];
#pragma GCC unroll 8
    for (int i = j + 1; i < p; ++i) {
      V sum{};
#pragma GCC unroll 8
      for (int m = j; m < i; ++m) sum = fnma(a[at(i, m)], x[m], sum);
      x[i] = sum;
      trace = fma(sum * sum, a[at(i, i)], trace);
    }
  }
  return select(definite, trace, broadcast(infinity));
}

inline L cholesky_solve(int p, V* a, V* x) {
  switch (p) {
    case 1: return cholesky_solve_fixed<1>(1, a, x);
    case 2: return cholesky_solve_fixed<2>(2, a, x);
    case 3: return cholesky_solve_fixed<3>(3, a, x);
    case 4: return cholesky_solve_fixed<4>(4, a, x);
    case 5: return cholesky_solve_fixed<5>(5, a, x);
    case 6: return cholesky_solve_fixed<6>(6, a, x);
    default: return cholesky_solve_fixed<0>(p, a, x);
  }
}

}  // namespace lawfit
