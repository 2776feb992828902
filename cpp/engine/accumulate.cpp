#include "accumulate.hpp"

#include <utility>

namespace lawfit {

namespace {

// Up to this many parameters the whole triangle stays in registers during one pass, and with it the
// gradient where there are registers enough.
constexpr int kWholeTriangle = 5;
#if LAWFIT_AVX512 || LAWFIT_NEON
constexpr int kSumsInRegisters = 22;
#else
constexpr int kSumsInRegisters = 10;
#endif

template <int P> void gradient_columns(const JacobianColumn* columns, const double* slope, int count, bool first, V* gradient) {
  V sum[P];
  JacobianColumn c[P];
  for (int i = 0; i < P; ++i) {
    c[i] = columns[i];
    sum[i] = first ? V{} : gradient[i];
  }
#pragma GCC unroll 1
  for (int k = 0; k < count; ++k) {
    const V g = load(slope + k * W);
#pragma GCC unroll 8
    for (int i = 0; i < P; ++i) sum[i] = fma(g, load(c[i].base + k * c[i].stride), sum[i]);
  }
  for (int i = 0; i < P; ++i) gradient[i] = sum[i];
}

template <int P, bool kGradient>
void triangle(const JacobianColumn* columns, const double* slope, const double* weight, int count, bool first, V* gradient, V* packed) {
  constexpr int kEntries = P * (P + 1) / 2;
  V sum[kEntries], slopes[P];
  JacobianColumn c[P];
  for (int i = 0; i < P; ++i) {
    c[i] = columns[i];
    slopes[i] = first || !kGradient ? V{} : gradient[i];
  }
  for (int e = 0; e < kEntries; ++e) sum[e] = first ? V{} : packed[e];
#pragma GCC unroll 1
  for (int k = 0; k < count; ++k) {
    V w = load(weight + k * W), j[P];
#pragma GCC unroll 8
    for (int i = 0; i < P; ++i) j[i] = load(c[i].base + k * c[i].stride);
    if constexpr (kGradient) {
      const V g = load(slope + k * W);
#pragma GCC unroll 8
      for (int i = 0; i < P; ++i) slopes[i] = fma(g, j[i], slopes[i]);
    }
#pragma GCC unroll 8
    for (int i = 0; i < P; ++i) {
      V wj = w * j[i];
#pragma GCC unroll 8
      for (int m = 0; m <= i; ++m) sum[i * (i + 1) / 2 + m] = fma(wj, j[m], sum[i * (i + 1) / 2 + m]);
    }
  }
  for (int e = 0; e < kEntries; ++e) packed[e] = sum[e];
  if constexpr (kGradient)
    for (int i = 0; i < P; ++i) gradient[i] = slopes[i];
}

template <int P>
void normal(const JacobianColumn* columns, const double* slope, const double* weight, int count, bool first, V* gradient, V* packed) {
  if constexpr (P * (P + 1) / 2 + P <= kSumsInRegisters) return triangle<P, true>(columns, slope, weight, count, first, gradient, packed);
  gradient_columns<P>(columns, slope, count, first, gradient);
  triangle<P, false>(columns, nullptr, weight, count, first, nullptr, packed);
}

// A strip of one row: columns [first, first + N) against column i.
template <int N>
void gram_strip(JacobianColumn row, const JacobianColumn* columns, const double* weight, int count, bool first, V* packed) {
  V sum[N];
  JacobianColumn c[N];
  for (int m = 0; m < N; ++m) { c[m] = columns[m]; sum[m] = first ? V{} : packed[m]; }
#pragma GCC unroll 1
  for (int k = 0; k < count; ++k) {
    V wj = load(weight + k * W) * load(row.base + k * row.stride);
#pragma GCC unroll 8
    for (int m = 0; m < N; ++m) sum[m] = fma(wj, load(c[m].base + k * c[m].stride), sum[m]);
  }
  for (int m = 0; m < N; ++m) packed[m] = sum[m];
}

using Strip = void (*)(JacobianColumn, const JacobianColumn*, const double*, int, bool, V*);
template <int... N> constexpr Strip strip_of(int n, std::integer_sequence<int, N...>) {
  constexpr Strip table[] = {gram_strip<N + 1>...};
  return table[n - 1];
}
constexpr int kStrip = 8;

void gram_by_strips(int parameters, const JacobianColumn* columns, const double* weight, int count, bool first, V* packed) {
  for (int i = 0; i < parameters; ++i)
    for (int begin = 0; begin <= i; begin += kStrip) {
      int n = i + 1 - begin < kStrip ? i + 1 - begin : kStrip;
      strip_of(n, std::make_integer_sequence<int, kStrip>())(columns[i], columns + begin, weight, count, first,
                                                           packed + i * (i + 1) / 2 + begin);
    }
}

}  // namespace

void add_gram(int parameters, const JacobianColumn* columns, const double* weight, int count, bool first, V* packed) {
  switch (parameters) {
    case 1: return triangle<1, false>(columns, nullptr, weight, count, first, nullptr, packed);
    case 2: return triangle<2, false>(columns, nullptr, weight, count, first, nullptr, packed);
    case 3: return triangle<3, false>(columns, nullptr, weight, count, first, nullptr, packed);
    case 4: return triangle<4, false>(columns, nullptr, weight, count, first, nullptr, packed);
    case kWholeTriangle: return triangle<kWholeTriangle, false>(columns, nullptr, weight, count, first, nullptr, packed);
    default: return gram_by_strips(parameters, columns, weight, count, first, packed);
  }
}

void add_normal(int parameters, const JacobianColumn* columns, const double* slope, const double* weight, int count, bool first,
                V* gradient, V* packed) {
  switch (parameters) {
    case 1: return normal<1>(columns, slope, weight, count, first, gradient, packed);
    case 2: return normal<2>(columns, slope, weight, count, first, gradient, packed);
    case 3: return normal<3>(columns, slope, weight, count, first, gradient, packed);
    case 4: return normal<4>(columns, slope, weight, count, first, gradient, packed);
    case kWholeTriangle: return normal<kWholeTriangle>(columns, slope, weight, count, first, gradient, packed);
    default:
      for (int i = 0; i < parameters; ++i) gradient_columns<1>(columns + i, slope, count, first, gradient + i);
      return gram_by_strips(parameters, columns, weight, count, first, packed);
  }
}

}  // namespace lawfit
