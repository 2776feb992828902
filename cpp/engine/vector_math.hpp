// Elementary and special functions on vectors of doubles.
#pragma once
#include "simd.hpp"

namespace lawfit {

template <class F>
LAWFIT_INLINE V lane_by_lane(F f, V x) {
  V r{};
  for (int i = 0; i < W; ++i) r[i] = f(x[i]);
  return r;
}

LAWFIT_COLD void exp_any(V* x) {
  *x = lane_by_lane([](double a) { return std::exp(a); }, *x);
}
LAWFIT_INLINE V v_exp(V x) {
  if (LAWFIT_UNLIKELY(any(~(L)(vabs(x) <= broadcast(708.0))))) {
    exp_any(&x);
    return x;
  }
  const V magic = broadcast(0x1.8p52);
  V t = fma(x, broadcast(0x1.71547652b82fep+0), magic);
  V k = t - magic;
  V r = fnma(k, broadcast(0x1.62e42fefa0000p-1), x);
  r = fnma(k, broadcast(0x1.cf79abc9e3b3ap-40), r);
  V r2 = r * r, r4 = r2 * r2;
  V q01 = fma(r, broadcast(0x1.5555555555556p-3), broadcast(0x1.0000000000001p-1));
  V q23 = fma(r, broadcast(0x1.1111111110918p-7), broadcast(0x1.5555555553b6cp-5));
  V q45 = fma(r, broadcast(0x1.a01a01a83ba17p-13), broadcast(0x1.6c16c1794e1dcp-10));
  V q67 = fma(r, broadcast(0x1.71de0be2b5e96p-19), broadcast(0x1.a019b621f9d08p-16));
  V q89 = fma(r, broadcast(0x1.af3ce42b12b24p-26), broadcast(0x1.2894f52583578p-22));
  V q03 = fma(r2, q23, q01), q47 = fma(r2, q67, q45);
  V q = fma(r4, fma(r4, q89, q47), q03);
  V p = fma(r2, q, r) + broadcast(1.0);
  return (V)((U)p + ((U)t << 52));
}

LAWFIT_COLD void log_any(V* x) {
  *x = lane_by_lane([](double a) { return std::log(a); }, *x);
}
LAWFIT_INLINE V v_log(V x) {
  const V lowest = broadcast(0x1p-1022), highest = broadcast(0x1.fffffffffffffp+1023);
  if (LAWFIT_UNLIKELY(any(~((L)(x >= lowest) & (L)(x <= highest))))) {
    log_any(&x);
    return x;
  }
  const L half = broadcast_bits(0x3fe6a09e667f3bcd);
  L b = (L)x + (broadcast_bits(0x3ff0000000000000) - half);
  U eb = (U)b >> 52;
  V e = (V)((L)eb | broadcast_bits(0x4330000000000000)) - broadcast(0x1p52 + 1023);
  V m = (V)((b & broadcast_bits(0x000fffffffffffff)) + half);
  V f = m - broadcast(1.0), s = f / (f + broadcast(2.0)), z = s * s, z2 = z * z;
  V a = fma(z, broadcast(0x1.9999999994e76p-2), broadcast(0x1.5555555555558p-1));
  V c = fma(z, broadcast(0x1.c71c6247410e3p-3), broadcast(0x1.2492492e6dfddp-2));
  V d = fma(z, broadcast(0x1.39f8963ccbdc2p-3), broadcast(0x1.7462e17b4cdd0p-3));
  V P = fma(z2, fma(z2, fma(z2, broadcast(0x1.2b9f7fb3de73fp-3), d), c), a);
  V lm = f - s * (f - z * P);
  return fma(e, broadcast(0x1.62e42fefa0000p-1), fma(e, broadcast(0x1.cf79abc9e3b3ap-40), lm));
}

#define LAWFIT_LANES_OF(name, expression) \
  LAWFIT_INLINE V name(V x) {             \
    return lane_by_lane([](double a) -> double { return expression; }, x); \
  }
LAWFIT_LANES_OF(v_log1p, std::log1p(a))
LAWFIT_LANES_OF(v_expm1, std::expm1(a))
LAWFIT_LANES_OF(v_sin, std::sin(a))
LAWFIT_LANES_OF(v_cos, std::cos(a))
LAWFIT_LANES_OF(v_tanh, std::tanh(a))
LAWFIT_LANES_OF(v_arctan, std::atan(a))
LAWFIT_LANES_OF(v_erf, std::erf(a))
LAWFIT_LANES_OF(v_normcdf, 0.5 * std::erfc(-a * 0.70710678118654752440))
LAWFIT_LANES_OF(v_gammaln, std::lgamma(a))
LAWFIT_LANES_OF(v_log10, std::log10(a))
LAWFIT_LANES_OF(v_log2, std::log2(a))

LAWFIT_INLINE V v_logistic(V x) {
  const V one = broadcast(1.0), e = v_exp(-vabs(x));
  return select((L)(x < V{}), e, one) / (one + e);
}
LAWFIT_INLINE V v_sign(V x) {
  return select((L)(x == V{}), V{}, select(is_nan(x), x, copysign(broadcast(1.0), x)));
}
LAWFIT_INLINE V v_logaddexp(V a, V b) {
  const V d = select((L)(a == b), V{}, a - b);
  return select((L)(a > b), a, b) + v_log1p(v_exp(-vabs(d)));
}

static inline double digamma_lane(double x) {
  if (x <= 0) {
    if (x == std::floor(x)) return not_a_number;
    const double pi = 3.14159265358979323846;
    return digamma_lane(1 - x) - pi / std::tan(pi * x);
  }
  double sum = 0;
  for (; x < 10; x += 1) sum -= 1 / x;
  const double z = 1 / (x * x);
  const double series =
      z * (1. / 12 - z * (1. / 120 - z * (1. / 252 - z * (1. / 240 - z * (1. / 132)))));
  return sum + std::log(x) - 0.5 / x - series;
}
static inline double trigamma_lane(double x) {
  if (x <= 0) {
    if (x == std::floor(x)) return infinity;
    const double pi = 3.14159265358979323846, s = pi / std::sin(pi * x);
    return s * s - trigamma_lane(1 - x);
  }
  double sum = 0;
  for (; x < 10; x += 1) sum += 1 / (x * x);
  const double z = 1 / (x * x);
  const double series = z * (1. / 6 - z * (1. / 30 - z * (1. / 42 - z * (1. / 30 - z * 5 / 66))));
  return sum + 1 / x + 0.5 * z + series / x;
}
LAWFIT_INLINE V v_digamma(V x) { return lane_by_lane(digamma_lane, x); }
LAWFIT_INLINE V v_trigamma(V x) { return lane_by_lane(trigamma_lane, x); }

}  // namespace lawfit
