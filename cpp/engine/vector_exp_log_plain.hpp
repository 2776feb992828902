// exp and log without AVX-512: longer polynomials, integer arithmetic on the bits, and a rare
// branch for what lies outside the normal range.
// Included by vector_elementary.hpp, as its twin vector_exp_log_avx512.hpp is for AVX-512.
#pragma once
#include "vector_polynomial.hpp"

namespace lawfit {

constexpr double ln2_36 = 0x1.62e42fefa0000p-1;  // 36 bits: times an exponent it is exact
constexpr double ln2_36_rest = 0x1.cf79abc9e3b3ap-40;

// ---- exp: x = k*ln2 + r with k whole and |r| <= ln2/2 ----------------------------------------

// (exp(r) - 1 - r)/r**2
constexpr double exp_degree9[] = {
    0x1.0000000000005p-1,  0x1.555555555555cp-3,  0x1.55555555520f4p-5,  0x1.111111110e6c4p-7,
    0x1.6c16c17f376fep-10, 0x1.a01a01b5dc61ep-13, 0x1.a019a685c352fp-16, 0x1.71dde9fea19e3p-19,
    0x1.28a2ab9f11fd9p-22, 0x1.af76b36d6495bp-26};

// exp(r - drop) - 1 by the polynomial; t holds k + BIAS in its lowest bits.
template <int BIAS>
LAWFIT_INLINE V exp_reduced(V x, V drop, U& t) {
  const V magic = broadcast(round_to_integer + BIAS);
  const V shifted = fma(x, broadcast(log2_of_e), magic), k = shifted - magic;
  const V close = fnma(k, broadcast(ln2_36), x);
  const V r = fnma(k, broadcast(ln2_36_rest), close) - drop;
  t = (U)shifted;
  return fma(r * r, polynomial(r, exp_degree9), r);
}
// p*2**k in two halves: the result may be subnormal or infinite, p may be NaN.
LAWFIT_INLINE V scale_in_two(V p, U t) {
  const U bias = (U)broadcast_bits(1023);
  const L k = (L)(t - (U)broadcast(round_to_integer)), half = k >> 1;
  const U rest = (U)k - (U)half;
  return p * (V)(((U)half + bias) << 52) * (V)((rest + bias) << 52);
}
LAWFIT_INLINE V v_exp(V x) {
  const bool plain = all((L)(vabs(x) <= broadcast(708.0)));
  if (LAWFIT_UNLIKELY(!plain)) x = vmin(broadcast(720.0), vmax(broadcast(-760.0), x));
  U t;
  const V p = exp_reduced<0>(x, V{}, t) + broadcast(1.0);
  if (LAWFIT_UNLIKELY(!plain)) return scale_in_two(p, t);
  return (V)((U)p + (t << 52));
}
// exp(x - drop) for x <= 0, |drop| tiny. First 2**600 too large, so that no exponent runs out.
LAWFIT_INLINE V exp_nonpositive(V x, V drop) {
  U t;
  const V p = exp_reduced<1023 + 600>(vmax(broadcast(-760.0), x), drop, t);
  const V s = (V)(t << 52);
  return fma(s, p, s) * broadcast(0x1p-600);
}
// expm1(x)/2 for x <= 710 (half, so that the largest results do not overflow on the way).
LAWFIT_INLINE V expm1_half(V x) {
  U t;
  const V p = exp_reduced<1023 - 1>(vmax(broadcast(-80.0), x), V{}, t);
  const V s = (V)(t << 52);
  return fma(s, p, s - broadcast(0.5));
}

// ---- log: x = 2**e * (1 + f), 1 + f between sqrt(1/2) and sqrt(2) ----------------------------

// With s = f/(2 + f), z = s*s: (2*atanh(s) - 2*s)/(s*z)
constexpr double atanh_degree6[] = {
    0x1.5555555555592p-1, 0x1.999999997fd7bp-2, 0x1.24924941f4ce3p-2, 0x1.c71c520621f2cp-3,
    0x1.74663f9ec1eecp-3, 0x1.39a1a7215150dp-3, 0x1.2f06347c43447p-3};

// log of 2**e * (1 + f) less e*ln2_36, which is the larger part.
LAWFIT_INLINE V log_low(V f, V e) {
  const V s = f / (f + broadcast(2.0)), z = s * s;
  const V log_of_1_plus_f = f - s * fnma(z, polynomial(z, atanh_degree6), f);
  return fma(e, broadcast(ln2_36_rest), log_of_1_plus_f);
}
LAWFIT_INLINE V log_joined(V f, V e) { return fma(e, broadcast(ln2_36), log_low(f, e)); }
constexpr int64_t root_half_bits = 0x3fe6a09e667f3bcd;  // sqrt(1/2)
// Of a normal positive number: its e, and bits holding e + 1023 above those of 1 + f.
LAWFIT_INLINE U log_bits(V x, V& e) {
  const U bits = (U)x + ((U)broadcast(1.0) - (U)broadcast_bits(root_half_bits));
  // The biased exponent as the low bits of a number in [2**52, 2**53).
  e = (V)((bits >> 52) | (U)broadcast(0x1p52)) - broadcast(0x1p52 + 1023);
  return bits;
}
LAWFIT_INLINE V log_split(V x, V& e) {  // gives 1 + f
  const U fraction = log_bits(x, e) & (U)broadcast_bits((int64_t{1} << 52) - 1);
  return (V)(fraction + (U)broadcast_bits(root_half_bits));
}
LAWFIT_INLINE bool log_is_plain(V x) {  // all positive, normal, finite
  return all((L)(x >= broadcast(0x1p-1022)) & (L)(x < broadcast(infinity)));
}
// What log gives where x is zero, negative, infinite or NaN; `usual` elsewhere.
LAWFIT_INLINE V log_limits(V x, V usual) {
  usual = select((L)(x > V{}), usual, broadcast(not_a_number));
  usual = select((L)(x == V{}), broadcast(-infinity), usual);
  return select((L)(x < broadcast(infinity)), usual, x);
}
// Subnormal numbers made normal.
LAWFIT_INLINE V log_enlarged(V x) {
  return select((L)(x < broadcast(0x1p-1022)), x * broadcast(0x1p54), x);
}
// The exponent e of the number before it was enlarged.
LAWFIT_INLINE V log_true_exponent(V x, V e) {
  return select((L)(x < broadcast(0x1p-1022)), e - broadcast(54.0), e);
}
LAWFIT_INLINE V v_log(V x) {
  const bool plain = log_is_plain(x);
  V e, y = x;
  if (LAWFIT_UNLIKELY(!plain)) y = log_enlarged(x);
  const V m = log_split(y, e);
  if (LAWFIT_UNLIKELY(!plain)) e = log_true_exponent(x, e);
  y = log_joined(m - broadcast(1.0), e);
  if (LAWFIT_UNLIKELY(!plain)) y = log_limits(x, y);
  return y;
}

// -1 < x < 2**1000: f = (1 + x)*2**-e - 1, without the rounding of 1 + x
LAWFIT_INLINE V log1p_plain(V x) {
  const V one = broadcast(1.0);
  V e;
  const U exponent = log_bits(one + x, e) & (U)broadcast_bits(-(int64_t{1} << 52));
  const V s = (V)((U)broadcast_bits(int64_t{2046} << 52) - exponent);  // 2**-e
  return log_joined(fma(x, s, s - one), e);
}
LAWFIT_INLINE V v_log1p(V x) {
  const L usual = (L)(x > broadcast(-1.0)) & (L)(x < broadcast(0x1p1000));
  const bool plain = all(usual);
  V y = x;
  if (LAWFIT_UNLIKELY(!plain)) y = select(usual, x, V{});
  y = log1p_plain(y);
  if (LAWFIT_UNLIKELY(!plain)) y = select(usual, y, v_log(x + broadcast(1.0)));
  return y;
}
LAWFIT_INLINE V log1p_unit(V x) {  // x in [0, 1]: e is 0 or 1, and no exponent need be split
  const L large = (L)(x > broadcast(0x1.a827999fcef32p-2));
  const V half = broadcast(0.5);
  return log_joined(select(large, fma(half, x, -half), x), select(large, broadcast(1.0), V{}));
}
LAWFIT_INLINE V v_log2(V x) {
  V e;
  const V m = log_split(log_enlarged(x), e);
  e = log_true_exponent(x, e);
  return log_limits(x, fma(log_joined(m - broadcast(1.0), V{}), broadcast(log2_of_e), e));
}
LAWFIT_INLINE V v_log10(V x) {
  V e;
  const V m = log_split(log_enlarged(x), e);
  e = log_true_exponent(x, e);
  const V low = log_low(m - broadcast(1.0), e);
  return log_limits(x, log10_joined(e * broadcast(ln2_36), low));
}

}  // namespace lawfit
