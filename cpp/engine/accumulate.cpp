#include "accumulate.hpp"

#include <algorithm>
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

// Several columns side by side: one sum alone would wait for its last addition.
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

constexpr int kStrip = 8;
using Strip = void (*)(JacobianColumn, const JacobianColumn*, const double*, int, bool, V*);
using Columns = void (*)(const JacobianColumn*, const double*, int, bool, V*);
template <int... N> constexpr Strip strip_of(int n, std::integer_sequence<int, N...>) {
  constexpr Strip table[] = {gram_strip<N + 1>...};
  return table[n - 1];
}
template <int... N> constexpr Columns columns_of(int n, std::integer_sequence<int, N...>) {
  constexpr Columns table[] = {gradient_columns<N + 1>...};
  return table[n - 1];
}
constexpr auto kWidths = std::make_integer_sequence<int, kStrip>();

// The rows of the triangle below those that fit the registers.
void gram_by_strips(int parameters, const JacobianColumn* columns, const double* weight, int count, bool first, V* packed) {
  for (int i = kWholeTriangle; i < parameters; ++i)
    for (int begin = 0; begin <= i; begin += kStrip)
      strip_of(std::min(i + 1 - begin, kStrip), kWidths)(columns[i], columns + begin, weight, count, first, packed + i * (i + 1) / 2 + begin);
}

}  // namespace

void add_gram(int parameters, const JacobianColumn* columns, const double* weight, int count, bool first, V* packed) {
  switch (parameters) {
    case 1: return triangle<1, false>(columns, nullptr, weight, count, first, nullptr, packed);
    case 2: return triangle<2, false>(columns, nullptr, weight, count, first, nullptr, packed);
    case 3: return triangle<3, false>(columns, nullptr, weight, count, first, nullptr, packed);
    case 4: return triangle<4, false>(columns, nullptr, weight, count, first, nullptr, packed);
    case kWholeTriangle: return triangle<kWholeTriangle, false>(columns, nullptr, weight, count, first, nullptr, packed);
    default:
      triangle<kWholeTriangle, false>(columns, nullptr, weight, count, first, nullptr, packed);
      return gram_by_strips(parameters, columns, weight, count, first, packed);
  }
}

void add_columns(int number, const JacobianColumn* columns, const double* slope, int count, bool first, V* sums) {
  for (int begin = 0; begin < number; begin += kStrip)
    columns_of(std::min(number - begin, kStrip), kWidths)(columns + begin, slope, count, first, sums + begin);
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
      normal<kWholeTriangle>(columns, slope, weight, count, first, gradient, packed);
      add_columns(parameters - kWholeTriangle, columns + kWholeTriangle, slope, count, first, gradient + kWholeTriangle);
      return gram_by_strips(parameters, columns, weight, count, first, packed);
  }
}

}  // namespace lawfit
