// Normal distribution and the gamma family on vectors of doubles. See vector_math.hpp.
//
// Every rational approximation is a weighted minimax fit made for this file in 60-digit
// arithmetic, to a form in which it is added to something larger and little cancels.
#pragma once
#include "vector_elementary.hpp"

namespace lawfit {

// Numerator over denominator. Plain Horner: the two chains overlap, and fewer roundings count.
template <int N, int M>
LAWFIT_INLINE V rational(V x, const double (&above)[N], const double (&below)[M]) {
  return horner<0, 1>(x, above) / horner<0, 1>(x, below);
}

// ---- the normal distribution -----------------------------------------------------------------

// exp(-a*a/2)/(1 - normcdf(a)) - sqrt(2*pi)*a on [0, 38.7]: falls from 2 to 0, so that little
// of its error is left in the sum.
constexpr double mills_above[] = {
    0x1.0000000000000p+1, 0x1.3d0643d169da5p+1, 0x1.9186f0305bfffp+0, 0x1.4a24756e827c2p-1,
    0x1.7ec510300c36cp-3, 0x1.4212e63bb343ep-5, 0x1.884bbcd4116f0p-8, 0x1.4de62054d0fe5p-11,
    0x1.6a62068a99b40p-15, 0x1.82a84327ce772p-20};
constexpr double mills_below[] = {
    0x1.0000000000000p+0, 0x1.b19d4c322a97fp+0, 0x1.6b450d29587e1p+0, 0x1.85c0b8c9a7178p-1,
    0x1.26008e234f0d3p-2, 0x1.448b9ad3abe33p-4, 0x1.093f25838565ep-6, 0x1.3d864c85d046ap-9,
    0x1.0b9e2f71e0fd3p-12, 0x1.2123c563dd6b5p-16, 0x1.348203c20183bp-21};
LAWFIT_INLINE V inverse_mills(V a) {
  return fma(a, broadcast(0x1.40d931ff62706p+1), rational(a, mills_above, mills_below));
}

// exp(-a*a/2) with the square in two parts: far out its rounding alone would cost 700 ulp.
LAWFIT_INLINE V exp_minus_half_square(V a) {
  const V half = broadcast(0.5);
  if constexpr (has_fma) {
    const V square = a * a, rest = fma(a, a, -square);
    return exp_nonpositive(-half * square, half * rest);
  } else {
    const V top = (V)((U)a & (U)broadcast_bits(-(int64_t{1} << 27)));  // 26 bits: exact square
    return exp_nonpositive(-half * (top * top), half * (a - top) * (a + top));
  }
}
LAWFIT_INLINE V v_normcdf(V x) {
  const V a = vmin(broadcast(38.7), vabs(x));
  const V tail = exp_minus_half_square(a) / inverse_mills(a);
  return select((L)(x > V{}), broadcast(1.0) - tail, tail);
}

// erf(x)/x in x**2, |x| <= 3/4
constexpr double erf_degree10[] = {
    0x1.20dd750429b6dp+0,  -0x1.812746b0379e0p-2, 0x1.ce2f21a042470p-4,  -0x1.b82ce312556d2p-6,
    0x1.565bcd0311967p-8,  -0x1.c02db110c1da1p-11, 0x1.f9a2ad77ad1a4p-14, -0x1.f4c5b3810b6e5p-17,
    0x1.b90cc4b7c45e9p-20, -0x1.5641e289db52bp-23, 0x1.89e44b032a13ap-27};
// Near 0 by the polynomial, else as 1 - 2*(1 - normcdf(sqrt(2)*|x|)).
LAWFIT_INLINE V v_erf(V x) {
  const V a = vmin(broadcast(6.0), vabs(x)), z = a * a;
  const V center = a * polynomial(z, erf_degree10);
  const V tail = exp_nonpositive(-z, V{}) / inverse_mills(a * broadcast(0x1.6a09e667f3bcdp+0));
  const V y = select((L)(a > broadcast(0.75)), fnma(broadcast(2.0), tail, broadcast(1.0)), center);
  return copysign(y, x);
}

// ---- the gamma family ------------------------------------------------------------------------

// gammaln(1 + w)/(w*(w - 1)) - 1/2 on [0, 1]
constexpr double gammaln_above[] = {
    0x1.3c467e37db0c7p-4, -0x1.55f70bd5af305p-6, -0x1.3df594e899f93p-2, -0x1.470581375513ep-2,
    -0x1.eb94ea484c171p-4, -0x1.13faf5993eb69p-6, -0x1.49b46b069790bp-11};
constexpr double gammaln_below[] = {
    0x1.0000000000000p+0, 0x1.73f3e2c4cbb17p+1, 0x1.9900a7beb0321p+1, 0x1.a7a07af507241p+0,
    0x1.a20e8ab59f91cp-2, 0x1.5c6cc63e87a28p-5, 0x1.52e8f65d97108p-10};
// x*(gammaln(x) - (x - 1/2)*log(x) + x - log(2*pi)/2) in 1/x**2, x >= 4
constexpr double stirling_above[] = {0x1.5555555555555p-4, 0x1.9a49fb62062e1p-1,
                                     0x1.e2c0c6d7fbbdap+0, 0x1.1623b5bc5635ep+0,
                                     0x1.40d2489f0a8b6p-4};
constexpr double stirling_below[] = {0x1.0000000000000p+0, 0x1.34c88d9a95b2ep+3,
                                     0x1.6f0f0c857b1fep+4, 0x1.b6f7b4a830a3dp+3,
                                     0x1.3cccdf5006fd3p+0};

// What Stirling's formula leaves out of gammaln(x), x >= 4.
LAWFIT_INLINE V stirling_rest(V x) {
  const V v = broadcast(1.0) / x;
  return v * rational(v * v, stirling_above, stirling_below);
}

// x >= 0. Below 4: gammaln(1 + w) with w the fraction of x, and the log of the factors between.
LAWFIT_INLINE V gammaln_nonnegative(V x) {
  const V one = broadcast(1.0), two = broadcast(2.0), three = broadcast(3.0);
  const L in0 = (L)(x < one), in1 = (L)(x < two), in2 = (L)(x < three);
  const L small = (L)(x < broadcast(4.0));
  const V n = select(in0, V{}, select(in1, one, select(in2, two, three)));
  const V w = x - n;
  const V factors = select(in0, x, select(in1, one, select(in2, x - one, (x - one) * (x - two))));
  const V log_x = v_log(select(small, factors, x));
  const V core = w * (w - one) * (broadcast(0.5) + rational(w, gammaln_above, gammaln_below));
  const V below4 = core + select(in0, -log_x, log_x);

  // (x - 1/2)*(log(x) - 1) - 1/2 + log(2*pi)/2: as Stirling's, but all terms are positive
  const V above4 = fma(x - broadcast(0.5), log_x - one, broadcast(0x1.acfe390c97d69p-2) + stirling_rest(x));
  return select(small, below4, above4);
}

constexpr double pi = 0x1.921fb54442d18p+1;

// sin(pi*x) and cos(pi*x) up to the same sign, from the exact distance to a whole number.
LAWFIT_INLINE V sin_pi(V x, V& cosine) {
  const V d = lane_by_lane([](double a) { return a - std::nearbyint(a); }, x, ~L{}, V{});
  cosine = v_sin(broadcast(pi) * (broadcast(0.5) - vabs(d)));
  return v_sin(broadcast(pi) * d);
}
// gammaln(-z) = -log(z) - log(|sin(pi*z)|/pi) - gammaln(z)
LAWFIT_COLD void gammaln_negative(const V* x, V* y) {
  V cosine;
  const V z = -*x, s = vabs(sin_pi(z, cosine));
  const V reflected = -(v_log(z) + v_log(s / broadcast(pi))) - gammaln_nonnegative(z);
  const L infinite = (L)(z == broadcast(infinity));
  *y = select((L)(*x < V{}), select(infinite, z, reflected), *y);
}
LAWFIT_INLINE V v_gammaln(V x) {
  const V y = gammaln_nonnegative(x);
  if (LAWFIT_UNLIKELY(any((L)(x < V{})))) return mended(gammaln_negative, x, y);
  return y;
}

// digamma(1 + w)/(w - (root - 1)) - 1 on [0, 1]
constexpr double digamma_above[] = {
    0x1.0063a69894978p-2, -0x1.56c84701b17a7p-2, -0x1.503ff4fa5fb34p-1, -0x1.2a0d0c6467505p-2,
    -0x1.748620151981ep-5, -0x1.108e5c67725cfp-9};
constexpr double digamma_below[] = {
    0x1.0000000000000p+0, 0x1.09cec2cf1b051p+1, 0x1.75e06d2322768p+0, 0x1.be4bcf471742bp-2,
    0x1.bb6fc02c3b8e1p-5, 0x1.16cfb60f206c4p-9, -0x1.29b205a280e14p-21};
constexpr double digamma_root_m1 = 0x1.d8b618d5af8fep-2;
constexpr double digamma_root_rest = -0x1.1e563779a1f5bp-56;
// (log(x) - 1/(2*x) - digamma(x))*x**2 in 1/x**2, x >= 2
constexpr double digamma_far_above[] = {0x1.5555555555555p-4, 0x1.a5f68605c0d88p+0,
                                        0x1.4e61f4fe3c734p+3, 0x1.9eb830170dbcdp+4,
                                        0x1.8837c34d168d9p+4, 0x1.c7f8cbbd62d17p+2,
                                        0x1.27d07d22457c6p-2};
constexpr double digamma_far_below[] = {0x1.0000000000000p+0, 0x1.3e127e1dea3a0p+4,
                                        0x1.fd55d5feb6eddp+6, 0x1.42e058959ff22p+8,
                                        0x1.414a61ccd9a9dp+8, 0x1.ac3ebb2e5c6a7p+6,
                                        0x1.de569cc65338ep+2};
LAWFIT_INLINE V digamma_far_series(V v) {
  const V z = v * v;
  return z * rational(z, digamma_far_above, digamma_far_below);
}
LAWFIT_INLINE V digamma_nonnegative(V x) {
  const V one = broadcast(1.0), v = one / x;
  const L in0 = (L)(x < one);
  const V w = select(in0, x, x - one);
  const V from_root = (w - broadcast(digamma_root_m1)) - broadcast(digamma_root_rest);
  const V core = fma(from_root, rational(w, digamma_above, digamma_below), from_root);
  const V below2 = core - select(in0, v, V{});  // digamma(x) = digamma(x + 1) - 1/x

  const V above2 = v_log(x) - fma(broadcast(0.5), v, digamma_far_series(v));
  return select((L)(x < broadcast(2.0)), below2, above2);
}
// digamma(x) = digamma(1 - x) - pi/tan(pi*x)
LAWFIT_COLD void digamma_negative(const V* x, V* y) {
  V cosine;
  const V sine = sin_pi(*x, cosine);
  const V reflected = digamma_nonnegative(broadcast(1.0) - *x) - broadcast(pi) * cosine / sine;
  const V pole = select((L)(sine == V{}), broadcast(not_a_number), reflected);
  *y = select((L)(*x < V{}), pole, *y);
}
LAWFIT_INLINE V v_digamma(V x) {
  const V y = digamma_nonnegative(x);
  if (LAWFIT_UNLIKELY(any((L)(x < V{})))) return mended(digamma_negative, x, y);
  return y;
}

// (x*trigamma(x) - 1)*x in 1/x, x >= 1
constexpr double trigamma_above[] = {
    0x1.0000000000000p-1, 0x1.64941521b7d26p+2, 0x1.e077be57e7e41p+4, 0x1.894964923dcebp+6,
    0x1.a4df08eac7a05p+7, 0x1.2b115cb36d672p+8, 0x1.139038f7da218p+8, 0x1.3018ff93c3d60p+7,
    0x1.3c5a0592f12f3p+5};
constexpr double trigamma_below[] = {
    0x1.0000000000000p+0, 0x1.59e96a770d287p+3, 0x1.c3a44acdfbf61p+5, 0x1.63c880788ecbfp+7,
    0x1.6a4b6ffe09ce2p+8, 0x1.e116394eb2f81p+8, 0x1.921bf1001c988p+8, 0x1.7f2f7bda42633p+7,
    0x1.3c5a078ae3e9ap+5};
LAWFIT_INLINE V trigamma_nonnegative(V x) {
  const V one = broadcast(1.0);
  const L in0 = (L)(x < one);
  const V v = one / select(in0, x + one, x);
  const V core = fma(v * v, rational(v, trigamma_above, trigamma_below), v);
  return core + select(in0, one / (x * x), V{});  // trigamma(x) = trigamma(x + 1) + 1/x**2
}
// trigamma(x) = (pi/sin(pi*x))**2 - trigamma(1 - x)
LAWFIT_COLD void trigamma_negative(const V* x, V* y) {
  V cosine;
  const V s = broadcast(pi) / sin_pi(*x, cosine);
  const V reflected = s * s - trigamma_nonnegative(broadcast(1.0) - *x);
  *y = select((L)(*x < V{}), reflected, *y);
}
LAWFIT_INLINE V v_trigamma(V x) {
  const V y = trigamma_nonnegative(x);
  if (LAWFIT_UNLIKELY(any((L)(x < V{})))) return mended(trigamma_negative, x, y);
  return y;
}

// Derivative of trigamma. Only second derivatives of a law with digamma in it need it: the plain
// recurrence up to 16, then the asymptotic series.
LAWFIT_INLINE V tetragamma_nonnegative(V x) {
  const V one = broadcast(1.0), two = broadcast(2.0), start = broadcast(16.0);
  V below = V{};
  for (int k = 0; k < 16; ++k) {
    const L in = (L)(x < start);
    const V v = one / x;
    below = select(in, fma(two * v, v * v, below), below);
    x = select(in, x + one, x);
  }
  constexpr double series[] = {0.5, -1.0 / 6, 1.0 / 6, -0.3, 5.0 / 6, -691.0 / 210, 17.5};
  const V v = one / x, z = v * v;
  return -(fma(z, v + z * horner<0, 1>(z, series), z) + below);
}
// tetragamma(x) = tetragamma(1 - x) - 2*pi**3*cos(pi*x)/sin(pi*x)**3
LAWFIT_COLD void tetragamma_negative(const V* x, V* y) {
  V cosine;
  const V sine = sin_pi(*x, cosine), s = broadcast(pi) / sine;
  const V reflected = tetragamma_nonnegative(broadcast(1.0) - *x) - broadcast(2.0) * cosine * (s * s * s);
  const V pole = select((L)(sine == V{}), broadcast(not_a_number), reflected);
  *y = select((L)(*x < V{}), pole, *y);
}
LAWFIT_INLINE V v_tetragamma(V x) {
  const V y = tetragamma_nonnegative(x);
  if (LAWFIT_UNLIKELY(any((L)(x < V{})))) return mended(tetragamma_negative, x, y);
  return y;
}

// digamma(x) - digamma(x + d): where x is large the logarithms cancel on paper.
LAWFIT_INLINE V v_digamma_gap(V x, V d) {
  const V one = broadcast(1.0), v = one / x, u = one / (x + d);
  const V halves = broadcast(0.5) * (d * v) * u;
  V y = -(v_log1p(d * v) + (halves + (digamma_far_series(v) - digamma_far_series(u))));
  const L far = (L)(x >= broadcast(2.0)) & (L)(d >= V{});
  if (!all(far)) y = select(far, y, v_digamma(x) - v_digamma(x + d));
  return y;
}
// trigamma(x) - trigamma(x + d), likewise.
LAWFIT_INLINE V v_trigamma_gap(V x, V d) {
  const V one = broadcast(1.0), v = one / x, u = one / (x + d);
  const V rest = v * v * rational(v, trigamma_above, trigamma_below) - u * u * rational(u, trigamma_above, trigamma_below);
  V y = fma(d * v, u, rest);
  const L far = (L)(x >= one) & (L)(d >= V{});
  if (!all(far)) y = select(far, y, v_trigamma(x) - v_trigamma(x + d));
  return y;
}

// ---- the logarithm of the beta function ------------------------------------------------------

// For 0 <= p <= q, 4 <= q: Stirling's formula with the large terms of its three uses taken
// together, so that what is left all has one sign and a large q costs no digits.
LAWFIT_INLINE V betaln_far(V p, V q) {
  const V half = broadcast(0.5), one = broadcast(1.0), h = p / q;
  const V step = log1p_unit(h), log_q = v_log(q);   // log((p + q)/q)
  const V rest = stirling_rest(q) - stirling_rest(p + q);
  const V big = fma(p - half, v_log(h) - step, stirling_rest(p)) - q * step;
  const V both = fma(-half, log_q, broadcast(0x1.d67f1c864beb5p-1)) + (big + rest);   // log(2*pi)/2
  const V bent = fma(p, one - (log_q + step), rest) - (q - half) * step;
  return select((L)(p < broadcast(4.0)), gammaln_nonnegative(p) + bent, both);
}
LAWFIT_INLINE V betaln_nonnegative(V p, V q) {
  const L near = (L)(q < broadcast(4.0));
  V y = betaln_far(p, q);
  if (any(near)) y = select(near, gammaln_nonnegative(p) + gammaln_nonnegative(q) - gammaln_nonnegative(p + q), y);
  const L endless = (L)(q == broadcast(infinity)), pole = (L)(p == V{});
  y = select(pole, broadcast(infinity), y);
  return select(endless, select(pole, broadcast(not_a_number), broadcast(-infinity)), y);
}
// log|beta(a, b)|; the sum of its three parts where an argument is negative.
LAWFIT_INLINE V v_betaln(V a, V b) {
  V y = betaln_nonnegative(vmin(a, b), vmax(a, b));
  const L negative = (L)(a < V{}) | (L)(b < V{});
  if (LAWFIT_UNLIKELY(any(negative))) y = select(negative, v_gammaln(a) + v_gammaln(b) - v_gammaln(a + b), y);
  return select(is_nan(a) | is_nan(b), broadcast(not_a_number), y);
}

}  // namespace lawfit
