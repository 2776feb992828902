// The vector type every kernel is written in, and its basic operations.
//
// GCC/Clang vector extensions carry arithmetic and comparisons; intrinsics appear only where the
// compiler has no portable spelling (fused multiply-add) or a worse one (min, max, square root).
// The lane count follows the instruction set the file is compiled for; -DLAWFIT_LANES=1/2/4/8
// overrides it, and every lane count works with every instruction set.
#pragma once
#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>
#if defined(__SSE2__)
#include <immintrin.h>
#elif defined(__aarch64__)
#include <arm_neon.h>
#endif

// Vectors wider than the hardware's registers change the calling convention; nothing here is
// called across a boundary where that could matter.
#pragma GCC diagnostic ignored "-Wpsabi"

#define LAWFIT_INLINE static inline __attribute__((always_inline))
#define LAWFIT_COLD static inline __attribute__((noinline, cold))
#define LAWFIT_UNLIKELY(condition) __builtin_expect(!!(condition), 0)

#if !defined(LAWFIT_LANES)
#if defined(__AVX512F__) && defined(__AVX512DQ__)
#define LAWFIT_LANES 8
#elif defined(__AVX2__) && defined(__FMA__)
#define LAWFIT_LANES 4
#elif defined(__SSE2__) || defined(__aarch64__)
#define LAWFIT_LANES 2
#else
#define LAWFIT_LANES 1
#endif
#endif

// One vector is exactly one hardware register: the intrinsics of that width can be used.
#define LAWFIT_AVX512 0
#define LAWFIT_AVX2 0
#define LAWFIT_SSE2 0
#define LAWFIT_NEON 0
#if LAWFIT_LANES == 8 && defined(__AVX512F__) && defined(__AVX512DQ__)
#undef LAWFIT_AVX512
#define LAWFIT_AVX512 1
#elif LAWFIT_LANES == 4 && defined(__AVX2__) && defined(__FMA__)
#undef LAWFIT_AVX2
#define LAWFIT_AVX2 1
#elif LAWFIT_LANES == 2 && defined(__SSE2__)
#undef LAWFIT_SSE2
#define LAWFIT_SSE2 1
#elif LAWFIT_LANES == 2 && defined(__aarch64__)
#undef LAWFIT_NEON
#define LAWFIT_NEON 1
#endif
// A fused multiply-add is one instruction. Without it, a*b + c rounds twice.
#if defined(__FMA__) || defined(__aarch64__)
#define LAWFIT_FMA 1
#else
#define LAWFIT_FMA 0
#endif

namespace lawfit {

constexpr int W = LAWFIT_LANES;
static_assert(W == 1 || W == 2 || W == 4 || W == 8, "LAWFIT_LANES must be 1, 2, 4 or 8");

typedef double V __attribute__((vector_size(8 * W)));               // lanes of doubles
typedef double Vu __attribute__((vector_size(8 * W), aligned(8)));  // the same, at any address
typedef int64_t L __attribute__((vector_size(8 * W)));   // integers; masks (0 or -1 per lane)
typedef uint64_t U __attribute__((vector_size(8 * W)));  // bit patterns

constexpr bool has_fma = LAWFIT_FMA;
constexpr double infinity = std::numeric_limits<double>::infinity();
constexpr double not_a_number = std::numeric_limits<double>::quiet_NaN();

LAWFIT_INLINE V load(const double* p) {
  V v;
  std::memcpy(&v, p, sizeof v);
  return v;
}
LAWFIT_INLINE void store(double* p, V v) { std::memcpy(p, &v, sizeof v); }
LAWFIT_INLINE V broadcast(double x) { return x - V{}; }
LAWFIT_INLINE L broadcast_bits(int64_t x) { return x - L{}; }

LAWFIT_INLINE V select(L mask, V a, V b) { return mask ? a : b; }

// a*b + c and c - a*b; rounded once where the hardware can (LAWFIT_FMA), else twice.
LAWFIT_INLINE V fma(V a, V b, V c) {
#if LAWFIT_AVX512
  return (V)_mm512_fmadd_pd((__m512d)a, (__m512d)b, (__m512d)c);
#elif LAWFIT_AVX2
  return (V)_mm256_fmadd_pd((__m256d)a, (__m256d)b, (__m256d)c);
#elif LAWFIT_SSE2 && LAWFIT_FMA
  return (V)_mm_fmadd_pd((__m128d)a, (__m128d)b, (__m128d)c);
#elif LAWFIT_NEON
  return (V)vfmaq_f64((float64x2_t)c, (float64x2_t)a, (float64x2_t)b);
#elif LAWFIT_FMA
  V r{};
  for (int i = 0; i < W; ++i) r[i] = __builtin_fma(a[i], b[i], c[i]);
  return r;
#else
  return a * b + c;
#endif
}
LAWFIT_INLINE V fnma(V a, V b, V c) {
#if LAWFIT_AVX512
  return (V)_mm512_fnmadd_pd((__m512d)a, (__m512d)b, (__m512d)c);
#elif LAWFIT_AVX2
  return (V)_mm256_fnmadd_pd((__m256d)a, (__m256d)b, (__m256d)c);
#elif LAWFIT_SSE2 && LAWFIT_FMA
  return (V)_mm_fnmadd_pd((__m128d)a, (__m128d)b, (__m128d)c);
#elif LAWFIT_NEON
  return (V)vfmsq_f64((float64x2_t)c, (float64x2_t)a, (float64x2_t)b);
#elif LAWFIT_FMA
  V r{};
  for (int i = 0; i < W; ++i) r[i] = __builtin_fma(-a[i], b[i], c[i]);
  return r;
#else
  return c - a * b;
#endif
}

// Products of the low 32 bits.
LAWFIT_INLINE U multiply_low(U a, U b) {
#if LAWFIT_AVX512
  return (U)_mm512_maskz_mul_epu32(0xff, (__m512i)a, (__m512i)b);
#elif LAWFIT_AVX2
  return (U)_mm256_mul_epu32((__m256i)a, (__m256i)b);
#elif LAWFIT_SSE2
  return (U)_mm_mul_epu32((__m128i)a, (__m128i)b);
#else
  return (a & 0xffffffffu) * (b & 0xffffffffu);
#endif
}

// Smaller and larger of two; the SECOND operand where either is NaN (so vmin(bound, x) keeps a
// NaN in x, and vmin(x, bound) replaces it).
LAWFIT_INLINE V vmin(V a, V b) {
#if LAWFIT_AVX512
  return (V)_mm512_maskz_min_pd(0xff, (__m512d)a, (__m512d)b);
#elif LAWFIT_AVX2
  return (V)_mm256_min_pd((__m256d)a, (__m256d)b);
#elif LAWFIT_SSE2
  return (V)_mm_min_pd((__m128d)a, (__m128d)b);
#else
  return a < b ? a : b;
#endif
}
LAWFIT_INLINE V vmax(V a, V b) {
#if LAWFIT_AVX512
  return (V)_mm512_maskz_max_pd(0xff, (__m512d)a, (__m512d)b);
#elif LAWFIT_AVX2
  return (V)_mm256_max_pd((__m256d)a, (__m256d)b);
#elif LAWFIT_SSE2
  return (V)_mm_max_pd((__m128d)a, (__m128d)b);
#else
  return a > b ? a : b;
#endif
}

constexpr int64_t sign_bit = std::numeric_limits<int64_t>::min();

LAWFIT_INLINE V vabs(V a) { return (V)((L)a & ~broadcast_bits(sign_bit)); }
LAWFIT_INLINE V minus_abs(V a) { return (V)((L)a | broadcast_bits(sign_bit)); }
// |magnitude| with the sign of `sign`.
LAWFIT_INLINE V copysign(V magnitude, V sign) {
  const L bit = broadcast_bits(sign_bit);
  return (V)(((L)magnitude & ~bit) | ((L)sign & bit));
}

LAWFIT_INLINE V vsqrt(V a) {
#if LAWFIT_AVX512
  return (V)_mm512_maskz_sqrt_pd(0xff, (__m512d)a);
#elif LAWFIT_AVX2
  return (V)_mm256_sqrt_pd((__m256d)a);
#elif LAWFIT_SSE2
  return (V)_mm_sqrt_pd((__m128d)a);
#elif LAWFIT_NEON
  return (V)vsqrtq_f64((float64x2_t)a);
#else
  V r{};
  for (int i = 0; i < W; ++i) r[i] = std::sqrt(a[i]);
  return r;
#endif
}

LAWFIT_INLINE L is_nan(V a) { return (L)(a != a); }

// The lanes in which the mask is set, a bit each. (Masks are 0 or -1 per lane.)
LAWFIT_INLINE unsigned lane_bits(L mask) {
#if LAWFIT_AVX512
  return _mm512_movepi64_mask((__m512i)mask);
#elif LAWFIT_AVX2
  return static_cast<unsigned>(_mm256_movemask_pd((__m256d)mask));
#elif LAWFIT_SSE2
  return static_cast<unsigned>(_mm_movemask_pd((__m128d)mask));
#else
  unsigned bits = 0;
  for (int i = 0; i < W; ++i) bits |= mask[i] ? 1u << i : 0u;
  return bits;
#endif
}
LAWFIT_INLINE bool any(L mask) { return lane_bits(mask) != 0; }
LAWFIT_INLINE bool all(L mask) { return lane_bits(mask) == (1u << W) - 1; }
// visit(lane) for each lane in which the mask is set.
template <class Visit> LAWFIT_INLINE void each_lane(L mask, const Visit& visit) {
  for (unsigned bits = lane_bits(mask); bits != 0; bits &= bits - 1) visit(__builtin_ctz(bits));
}

// Sum over the lanes, always paired in the same order.
LAWFIT_INLINE double lane_sum(V a) {
#if LAWFIT_LANES == 1
  return a[0];
#elif LAWFIT_LANES == 2
  return a[0] + a[1];
#elif LAWFIT_LANES == 4
  return (a[0] + a[2]) + (a[1] + a[3]);
#else
  return ((a[0] + a[4]) + (a[2] + a[6])) + ((a[1] + a[5]) + (a[3] + a[7]));
#endif
}

}  // namespace lawfit
