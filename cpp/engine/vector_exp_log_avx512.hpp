// exp and log with AVX-512: tables of 16 entries live in two registers, and the hardware splits
// and scales floating-point numbers and knows zero, infinity and NaN by itself.
// Included by vector_elementary.hpp, as its twin vector_exp_log_plain.hpp is for the others.
#pragma once
#include "vector_polynomial.hpp"

namespace lawfit {

LAWFIT_INLINE V lookup(const double (&table)[16], V index) {  // by the lowest four bits
  return (V)_mm512_permutex2var_pd(_mm512_load_pd(table), (__m512i)index,
                                   _mm512_load_pd(table + 8));
}
// x * 2**floor(exponent), right to the last subnormal number.
LAWFIT_INLINE V times_two_to(V x, V exponent) {
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
  return times_two_to(fma(s, p, s), k);
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
  const V s = times_two_to(half, k + half);
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
  constexpr auto negative_is_nan = (_MM_MANTISSA_SIGN_ENUM)3;  // and -0 counts as 0
  const __m512d m = _mm512_maskz_getmant_pd(0xff, v, _MM_MANT_NORM_p75_1p5, negative_is_nan);
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
  const V one = broadcast(1.0);
  V minus_e, low;
  const V index = log_index(log_split(one + x, minus_e));
  // r = (1 + x)*s - 1 with s = c*2**-e, without the rounding of 1 + x. The bounds keep infinity
  // times zero out of it; the limits come from e.
  const V s = times_two_to(lookup(log_c, index), vmin(broadcast(64.0), minus_e));
  const V r = fma(vmin(broadcast(0x1.fffffffffffffp+1023), x), s, s - one);
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

}  // namespace lawfit
