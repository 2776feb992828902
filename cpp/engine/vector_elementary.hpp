// exp, log, what is built directly on them, and sine, cosine, arctangent. See vector_math.hpp.
//
// Polynomials are minimax fits made for these files (Remez exchange in 50-digit arithmetic) to
// the function named beside them.
#pragma once
#include "simd.hpp"
#if LAWFIT_AVX512
#include "vector_exp_log_avx512.hpp"
#else
#include "vector_exp_log_plain.hpp"
#endif

namespace lawfit {

// ---- built on exp and log, the same for every instruction set --------------------------------

LAWFIT_INLINE V v_expm1(V x) {
  const V h = expm1_half(vmin(broadcast(710.0), x));
  return select((L)(vabs(x) < broadcast(0x1p-54)), x, h + h);
}
// tanh(|x|) = -t/(t + 2) with t = expm1(-2|x|)
LAWFIT_INLINE V v_tanh(V x) {
  const V h = expm1_half(broadcast(-2.0) * vabs(x));
  return copysign(h / (h + broadcast(1.0)), x);
}
// 1/(1 + exp(-x)), through exp(-|x|) so that nothing overflows and both tails keep their digits.
LAWFIT_INLINE V v_logistic(V x) {
  const V one = broadcast(1.0), e = exp_nonpositive(minus_abs(x), V{});
  return select((L)(x < V{}), e, one) / (one + e);
}
// log(exp(a) + exp(b)) = max(a, b) + log1p(exp(-|a - b|))
LAWFIT_INLINE V v_logaddexp(V a, V b) {
  const V gap = select((L)(a == b), V{}, a - b);  // equal infinities have no difference
  return vmax(a, b) + log1p_unit(exp_nonpositive(minus_abs(gap), V{}));
}
// -1, 0 or 1; NaN for NaN.
LAWFIT_INLINE V v_sign(V x) {
  const V unit = copysign(broadcast(1.0), x);
  return select((L)(vabs(x) > V{}), unit, x);
}

// ---- sine, cosine, arctangent ----------------------------------------------------------------

// (sin(r) - r)/r**3 in r**2, |r| <= pi/2
constexpr double sin_degree7[] = {
    -0x1.5555555555555p-3,  0x1.11111111110c1p-7,  -0x1.a01a01a0148adp-13, 0x1.71de3a52875d9p-19,
    -0x1.ae6454cb2685bp-26, 0x1.6123cb1ca0b36p-33, -0x1.ae431a554ae64p-41, 0x1.882949d6c001cp-49};

// sin(r) for r = x - k*pi, k whole or a half, |k| < 2**16; the sign is (-1)**(last bit of parity).
LAWFIT_INLINE V sin_reduced(V x, V k, U parity) {
  V r;
  if constexpr (has_fma) {
    r = fnma(k, broadcast(0x1.921fb54442d18p+1), x);  // exact: the bits above cancel
    r = fnma(k, broadcast(0x1.1a62633145c06p-53), r);
    r = fnma(k, broadcast(0x1.c1cd129024e09p-106), r);
  } else {  // pieces of 33 bits, whose products with k are exact
    r = x - k * broadcast(0x1.921fb54400000p+1);
    r = r - k * broadcast(0x1.0b4611a600000p-33);
    r = r - k * broadcast(0x1.3198a2e000000p-68);
    r = r - k * broadcast(0x1.b839a252049c1p-103);
  }
  const V z = r * r;
  const V s = copysign(fma(r * z, polynomial(z, sin_degree7), r), r);  // sin(-0) is -0
  return (V)((U)s ^ (parity << 63));
}
constexpr double one_over_pi = 0x1.45f306dc9c883p-2;
constexpr double sin_range = 1e5;  // beyond, a lane at a time

LAWFIT_COLD void sin_wide(const V* x, V* y) {
  const L wide = ~(L)(vabs(*x) <= broadcast(sin_range));
  *y = lane_by_lane([](double a) { return std::sin(a); }, *x, wide, *y);
}
LAWFIT_COLD void cos_wide(const V* x, V* y) {
  const L wide = ~(L)(vabs(*x) <= broadcast(sin_range));
  *y = lane_by_lane([](double a) { return std::cos(a); }, *x, wide, *y);
}
LAWFIT_INLINE V v_sin(V x) {
  const V magic = broadcast(round_to_integer), t = fma(x, broadcast(one_over_pi), magic);
  const V y = sin_reduced(x, t - magic, (U)t);
  if (LAWFIT_UNLIKELY(!all((L)(vabs(x) <= broadcast(sin_range))))) return mended(sin_wide, x, y);
  return y;
}
// cos(x) = -(-1)**n * sin(x - (n + 1/2)*pi)
LAWFIT_INLINE V v_cos(V x) {
  const V magic = broadcast(round_to_integer), half = broadcast(0.5);
  const V t = fma(x, broadcast(one_over_pi), -half) + magic;
  const V y = sin_reduced(x, (t - magic) + half, ~(U)t);
  if (LAWFIT_UNLIKELY(!all((L)(vabs(x) <= broadcast(sin_range))))) return mended(cos_wide, x, y);
  return y;
}

// (atan(t) - t)/t**3 in t**2, |t| <= tan(pi/8)
constexpr double atan_degree10[] = {
    -0x1.5555555555549p-2, 0x1.9999999996e2ap-3,  -0x1.2492492313ff8p-3, 0x1.c71c71030fc0dp-4,
    -0x1.745cfb177a8f9p-4, 0x1.3b1131add5103p-4,  -0x1.10ec40c69124cp-4, 0x1.df1045d6dd15cp-5,
    -0x1.9cbd80006c469p-5, 0x1.3768b99621cc6p-5,  -0x1.2415deed2f760p-6};

// atan(|x|) = 0, pi/4 or pi/2, plus atan of a number no larger than tan(pi/8)
LAWFIT_INLINE V v_arctan(V x) {
  const V a = vabs(x), one = broadcast(1.0);
  const L middle = (L)(a > broadcast(0x1.a827999fcef32p-2));  // tan(pi/8)
  const L steep = (L)(a > broadcast(0x1.3504f333f9de6p+1));     // tan(3*pi/8)
  const V above = select(steep, -one, select(middle, a - one, a));
  const V below = select(steep, a, select(middle, a + one, one));
  const V t = above / below, z = t * t;
  const V offset = select(steep, broadcast(0x1.921fb54442d18p+0),
                          select(middle, broadcast(0x1.921fb54442d18p-1), V{}));
  const V rest = select(steep, broadcast(0x1.1a62633145c07p-54),
                        select(middle, broadcast(0x1.1a62633145c07p-55), V{}));
  return copysign(offset + (t + fma(t * z, polynomial(z, atan_degree10), rest)), x);
}

}  // namespace lawfit
