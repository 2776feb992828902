// exp and log, what is built directly on them, and sine, cosine, arctangent. See vector_math.hpp.
//
// Polynomials are minimax fits made for this file (Remez exchange in 50-digit arithmetic) to the
// function named beside them. There are two ways through exp and log: with AVX-512 a table of 16
// entries lives in two registers and the hardware splits and scales floating-point numbers (and
// knows zero, infinity and NaN by itself); elsewhere a longer polynomial and integer arithmetic
// on the bits do the work, and a rare branch takes what lies outside the normal range.
#pragma once
#include "simd.hpp"

namespace lawfit {

// c[I] + c[I+STEP]*y + c[I+2*STEP]*y**2 + ... by Horner's rule.
template <int I, int STEP, int N>
LAWFIT_INLINE V horner(V y, const double (&c)[N]) {
  if constexpr (I + STEP >= N)
    return broadcast(c[I]);
  else
    return fma(y, horner<I + STEP, STEP>(y, c), broadcast(c[I]));
}
// c[0] + c[1]*x + c[2]*x**2 + ...; even and odd powers in two independent chains.
template <int N>
LAWFIT_INLINE V polynomial(V x, const double (&c)[N]) {
  if constexpr (N <= 3) return horner<0, 1>(x, c);
  const V x2 = x * x;
  return fma(x, horner<1, 2>(x2, c), horner<0, 2>(x2, c));
}

// `otherwise`, but f(x) in the lanes where the mask is set.
template <class F>
LAWFIT_INLINE V lane_by_lane(F f, V x, L mask, V otherwise) {
  for (int i = 0; i < W; ++i)
    if (mask[i]) otherwise[i] = f(x[i]);
  return otherwise;
}

constexpr double log2_of_e = 0x1.71547652b82fep+0;
// Added to a number, it rounds: to a whole one, which then sits in the low bits.
constexpr double round_to_integer = 0x1.8p52;

// (high + low)*log10(e), as if rounded once: the log of an exact power of ten is exact.
LAWFIT_INLINE V log10_joined(V high, V low) {
  const V sum = high + low, factor = broadcast(0x1.bcb7b1526e50ep-2);
  const V lost = select((L)(vabs(sum) < broadcast(infinity)), (high - sum) + low, V{});
  const V correction = fma(sum, broadcast(0x1.95355baaafad3p-57), lost * factor);
  if constexpr (has_fma) return fma(sum, factor, correction);
  // Without a fused product: 26 bits of each at a time.
  const V top = (V)((U)sum & (U)broadcast_bits(-(int64_t{1} << 27)));
  const V bits26 = broadcast(0x1.bcb7b14p-2), bits_rest = broadcast(0x1.26e50ep-30);
  const V below = fma(sum - top, factor, fma(top, bits_rest, correction));
  return fma(top, bits26, below);
}

#if LAWFIT_AVX512

LAWFIT_INLINE V lookup(const double (&table)[16], V index) {  // by the lowest four bits
  return (V)_mm512_permutex2var_pd(_mm512_load_pd(table), (__m512i)index,
                                   _mm512_load_pd(table + 8));
}
LAWFIT_INLINE V scale(V x, V exponent) {  // x * 2**floor(exponent), right to the last subnormal
  return (V)_mm512_maskz_scalef_pd(0xff, (__m512d)x, (__m512d)exponent);
}

// ---- exp: x = k*ln2 + r with k a multiple of 1/16 and |r| <= ln2/32 --------------------------

alignas(64) constexpr double two_to_sixteenths[16] = {  // 2**(j/16)
    0x1.0000000000000p+0, 0x1.0b5586cf9890fp+0, 0x1.172b83c7d517bp+0, 0x1.2387a6e756238p+0,
    0x1.306fe0a31b715p+0, 0x1.3dea64c123422p+0, 0x1.4bfdad5362a27p+0, 0x1.5ab07dd485429p+0,
    0x1.6a09e667f3bcdp+0, 0x1.7a11473eb0187p+0, 0x1.8ace5422aa0dbp+0, 0x1.9c49182a3f090p+0,
    0x1.ae89f995ad3adp+0, 0x1.c199bdd85529cp+0, 0x1.d5818dcfba487p+0, 0x1.ea4afa2a490dap+0};
// (exp(r) - 1 - r)/r**2 to 2**-50 of r, and to 2**-60.
constexpr double exp_degree4[] = {0x1.0000000000003p-1, 0x1.55555554afc67p-3,
                                  0x1.5555555488b1bp-5, 0x1.1112277677d41p-7,
                                  0x1.6c1841dd9cefbp-10};
constexpr double exp_degree5[] = {0x1.0000000000003p-1,  0x1.5555555555559p-3,
                                  0x1.55555554ad3ddp-5,  0x1.111111108f939p-7,
                                  0x1.6c181f4d30da4p-10, 0x1.a01b88bdd4c25p-13};
constexpr double round_to_sixteenth = 0x1.8p48;

// exp(r - drop) - 1 by the polynomial; k, and t whose lowest bits are 16*k modulo 16.
template <int N>
LAWFIT_INLINE V exp_reduced(V x, V drop, const double (&c)[N], V& k, V& t) {
  t = fma(x, broadcast(log2_of_e), broadcast(round_to_sixteenth));
  k = t - broadcast(round_to_sixteenth);
  const V close = fnma(k, broadcast(0x1.62e42fefa39efp-1), x);
  const V r = fnma(k, broadcast(0x1.abc9e3b39803fp-56), close) - drop;
  return fma(r * r, polynomial(r, c), r);
}
// exp(x - drop), |drop| tiny, |x| < 1e6.
LAWFIT_INLINE V exp_between(V x, V drop) {
  V k, t;
  const V p = exp_reduced(x, drop, exp_degree4, k, t), s = lookup(two_to_sixteenths, t);
  return scale(fma(s, p, s), k);
}
LAWFIT_INLINE V v_exp(V x) {
  return exp_between(vmin(broadcast(720.0), vmax(broadcast(-760.0), x)), V{});
}
LAWFIT_INLINE V exp_nonpositive(V x, V drop) {
  return exp_between(vmax(broadcast(-760.0), x), drop);
}

alignas(64) constexpr double two_to_sixteenths_m1[16] = {  // 2**(j/16) - 1, j = 0..7, -8..-1
    0.0, 0x1.6ab0d9f3121ecp-5, 0x1.72b83c7d517aep-4, 0x1.1c3d373ab11c3p-3,
    0x1.837f0518db8a9p-3, 0x1.ef5326091a112p-3, 0x1.2ff6b54d8a89cp-2, 0x1.6ac1f752150a5p-2,
    -0x1.2bec333018867p-2, -0x1.0bdd71829fcf2p-2, -0x1.d4c6af7557c93p-3, -0x1.8edb9f5703dc0p-3,
    -0x1.45d819a94b14bp-3, -0x1.f332113d56b1fp-4, -0x1.53f391822dbc7p-4, -0x1.5b505d5b6f268p-5};

// expm1(x)/2 for x <= 710 (half, so that the largest results do not overflow on the way).
LAWFIT_INLINE V expm1_half(V x) {
  V k, t;
  const V p = exp_reduced(vmax(broadcast(-80.0), x), V{}, exp_degree5, k, t);
  const V m = lookup(two_to_sixteenths_m1, t), half = broadcast(0.5);
  const V s = scale(half, k + half);
  return fma(s, fma(broadcast(1.0) + m, p, m), s - half);
}

// ---- log: x = 2**e * m, m in [3/4, 3/2), r = m*c - 1 with c near 1/m -------------------------

// One c for each value of the top four bits of m, chosen so that -log(c) lies within 2**-58 of a
// multiple of 2**-42: added to e*ln2_42 it is exact. c = 1 on both sides of m = 1.
alignas(64) constexpr double log_c[16] = {
    0x1.0000000000000p+0, 0x1.d41a598d1d41dp-1, 0x1.bacf204d1bad0p-1, 0x1.a41980701a41ap-1,
    0x1.8f9c7320418fap-1, 0x1.7d04f7f8d05f4p-1, 0x1.6c15f1de16c17p-1, 0x1.5c9841a131057p-1,
    0x1.4e5f920d70539p+0, 0x1.414159a681414p+0, 0x1.3521c141f78c1p+0, 0x1.29e5904b4129ep+0,
    0x1.1f70648e91f70p+0, 0x1.15b1d9d25270dp+0, 0x1.0c97f4c2cda3bp+0, 0x1.0000000000000p+0};
alignas(64) constexpr double log_minus_log_c[16] = {
    0.0, 0x1.6f26992fd0000p-4, 0x1.29573a1da2000p-3, 0x1.952957ad9e000p-3,
    0x1.fb8fb8d0c8000p-3, 0x1.2e90d14242000p-2, 0x1.5d1e23b587000p-2, 0x1.89a3f7a2a6000p-2,
    -0x1.117d9768e8000p-2, -0x1.d1041aabc8000p-3, -0x1.823bb6aa20000p-3, -0x1.366a0b0028000p-3,
    -0x1.da740f27d0000p-4, -0x1.4d3062b044000p-4, -0x1.89654a7460000p-5, 0.0};
constexpr double ln2_42 = 0x1.62e42fefa3800p-1, ln2_42_rest = 0x1.ef35793c76730p-45;
// (log(1 + r) - r)/r**2 on [-1/31, 1/16]
constexpr double log1p_degree8[] = {
    -0x1.0000000000000p-1, 0x1.555555555608fp-2,  -0x1.000000000535bp-2,
    0x1.9999997fc2c07p-3,  -0x1.555553d8f56b9p-3, 0x1.2492ce7a75737p-3,
    -0x1.000ba04da7562p-3, 0x1.c5d5428980ecep-4,  -0x1.68645fe0246f6p-4};

// m, and -e (infinite for 0 and infinity; m is NaN for negative numbers).
LAWFIT_INLINE V log_split(V x, V& minus_e) {
  const __m512d v = (__m512d)x;
  const __m512d m = _mm512_maskz_getmant_pd(0xff, v, _MM_MANT_NORM_p75_1p5, (_MM_MANTISSA_SIGN_ENUM)3);
  minus_e = (V)_mm512_sub_pd(_mm512_maskz_getexp_pd(0xff, m), _mm512_maskz_getexp_pd(0xff, v));
  return (V)m;
}
LAWFIT_INLINE V log_index(V m) { return (V)((U)m >> 48); }
// log of 2**e * (1 + r)/c, to be summed from two parts.
LAWFIT_INLINE V log_parts(V r, V index, V minus_e, V& low) {
  low = fma(r * r, polynomial(r, log1p_degree8), fnma(minus_e, broadcast(ln2_42_rest), r));
  return fnma(minus_e, broadcast(ln2_42), lookup(log_minus_log_c, index));
}
LAWFIT_INLINE V v_log(V x) {
  V minus_e, low;
  const V m = log_split(x, minus_e), index = log_index(m);
  const V r = fma(m, lookup(log_c, index), broadcast(-1.0));
  const V high = log_parts(r, index, minus_e, low);
  return high + low;
}
LAWFIT_INLINE V v_log2(V x) {
  V minus_e, low;
  const V m = log_split(x, minus_e), index = log_index(m);
  const V r = fma(m, lookup(log_c, index), broadcast(-1.0));
  const V high = log_parts(r, index, V{}, low);
  return fma(high + low, broadcast(log2_of_e), -minus_e);
}
LAWFIT_INLINE V v_log10(V x) {
  V minus_e, low;
  const V m = log_split(x, minus_e), index = log_index(m);
  const V r = fma(m, lookup(log_c, index), broadcast(-1.0));
  const V high = log_parts(r, index, minus_e, low);
  return log10_joined(high, low);
}
LAWFIT_INLINE V v_log1p(V x) {
  const V one = broadcast(1.0), u = one + x, back = u - one;
  // u + rest = 1 + x exactly; an infinite u has no rest.
  const V rest = select((L)(u < broadcast(infinity)), (one - (u - back)) + (x - back), V{});
  V minus_e, low;
  const V m = log_split(u, minus_e), index = log_index(m), c = lookup(log_c, index);
  const V tail = scale(rest, vmin(broadcast(64.0), minus_e));
  const V r = fma(tail, c, fma(m, c, -one));
  const V high = log_parts(r, index, minus_e, low);
  return high + low;
}

// ---- log1p on [0, 1]: 1 + x = (1 + r)/c, c near 1/(1 + j/15) ---------------------------------

alignas(64) constexpr double unit_c[16] = {  // chosen so that log(c) is nearly a double
    0x1.0000000000000p+0, 0x1.e000000000001p-1, 0x1.c3c3c3c3c2ca4p-1, 0x1.aaaaaaaaaaaadp-1,
    0x1.9435e50d7a3d4p-1, 0x1.7ffffffffffffp-1, 0x1.6db6db6db6db6p-1, 0x1.5d1745d17556fp-1,
    0x1.4de9bd37a7ee4p-1, 0x1.4000000000f9ep-1, 0x1.3333333332394p-1, 0x1.27627627617ccp-1,
    0x1.1c71c71c70cd1p-1, 0x1.12492492482a9p-1, 0x1.08d3dcb08d3d8p-1, 0x1.0000000000000p-1};
alignas(64) constexpr double unit_minus_log_c[16] = {
    0.0, 0x1.08598b59e39fep-4, 0x1.005588ad3bc5fp-3, 0x1.7565011e4966bp-3,
    0x1.e41fccb7661b6p-3, 0x1.269621134db95p-2, 0x1.588c2d9133492p-2, 0x1.882f1ef83bf76p-2,
    0x1.b5b3e24232ebcp-2, 0x1.e148a1a26f4d4p-2, 0x1.058aefa812e5bp-1, 0x1.199fac68b65bcp-1,
    0x1.2cf25fad90de5p-1, 0x1.3f9127524253cp-1, 0x1.5188a4a02d808p-1, 0x1.62e42fefa39efp-1};
// (log(1 + r) - r)/r**2 on [-1/32, 1/30]
constexpr double log1p_degree7[] = {
    -0x1.fffffffffffbfp-2, 0x1.5555555555d51p-2,  -0x1.00000000d7beep-2, 0x1.9999997fe541ep-3,
    -0x1.55553ddc258c1p-3, 0x1.2492fecb1063cp-3,  -0x1.007832143cc01p-3, 0x1.c4719b4ad9c9ap-4};
LAWFIT_INLINE V log1p_unit(V x) {
  const V index = fma(x, broadcast(15.0), broadcast(round_to_integer));
  const V c = lookup(unit_c, index), r = fma(x, c, c - broadcast(1.0));
  return lookup(unit_minus_log_c, index) + fma(r * r, polynomial(r, log1p_degree7), r);
}

#else

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
// 1 + f of a normal positive number, and its e.
LAWFIT_INLINE V log_split(V x, V& e) {
  const U root_half = (U)broadcast_bits(0x3fe6a09e667f3bcd);
  const U one = (U)broadcast(1.0), bits = (U)x + (one - root_half);
  // The biased exponent as the low bits of a number in [2**52, 2**53).
  e = (V)((bits >> 52) | (U)broadcast(0x1p52)) - broadcast(0x1p52 + 1023);
  return (V)((bits & (U)broadcast_bits(0x000fffffffffffff)) + root_half);
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

LAWFIT_INLINE V log1p_plain(V x) {  // -1 < x < 2**1000
  const V one = broadcast(1.0), u = one + x, back = u - one;
  const V rest = (one - (u - back)) + (x - back);  // u + rest = 1 + x exactly
  V e;
  const V m = log_split(u, e);
  const V two_to_minus_e = (V)((U)m - (U)u + (U)one);  // m*2**-e/m on the exponent bits
  return log_joined(fma(rest, two_to_minus_e, m - one), e);
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

#endif

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
  V y = sin_reduced(x, t - magic, (U)t);
  if (LAWFIT_UNLIKELY(any(~(L)(vabs(x) <= broadcast(sin_range))))) sin_wide(&x, &y);
  return y;
}
// cos(x) = -(-1)**n * sin(x - (n + 1/2)*pi)
LAWFIT_INLINE V v_cos(V x) {
  const V magic = broadcast(round_to_integer), half = broadcast(0.5);
  const V t = fma(x, broadcast(one_over_pi), -half) + magic;
  V y = sin_reduced(x, (t - magic) + half, ~(U)t);
  if (LAWFIT_UNLIKELY(any(~(L)(vabs(x) <= broadcast(sin_range))))) cos_wide(&x, &y);
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
