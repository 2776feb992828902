// What the vector functions are made of: polynomials, and a lane at a time where it is rare.
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

// What a rare branch returns: cold(&x, &y) applied to copies, so that the usual path keeps x and y
// in registers.
LAWFIT_INLINE V mended(void (*cold)(const V*, V*), V x, V y) {
  cold(&x, &y);
  return y;
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

}  // namespace lawfit
