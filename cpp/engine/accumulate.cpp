#include "accumulate.hpp"

#include <utility>

namespace lawfit {

namespace {

// Up to this many parameters the whole triangle stays in registers during one pass.
constexpr int kWholeTriangle = 5;

template <int P> void gram_triangle(const JacobianColumn* columns, const double* weight, int count, V* packed) {
  constexpr int kEntries = P * (P + 1) / 2;
  V sum[kEntries];
  JacobianColumn c[P];
  for (int i = 0; i < P; ++i) c[i] = columns[i];
  for (int e = 0; e < kEntries; ++e) sum[e] = packed[e];
#pragma GCC unroll 1
  for (int k = 0; k < count; ++k) {
    V w = load(weight + k * W), j[P];
#pragma GCC unroll 8
    for (int i = 0; i < P; ++i) j[i] = load(c[i].base + k * c[i].stride);
#pragma GCC unroll 8
    for (int i = 0; i < P; ++i) {
      V wj = w * j[i];
#pragma GCC unroll 8
      for (int m = 0; m <= i; ++m) sum[i * (i + 1) / 2 + m] = fma(wj, j[m], sum[i * (i + 1) / 2 + m]);
    }
  }
  for (int e = 0; e < kEntries; ++e) packed[e] = sum[e];
}

// A strip of one row: columns [first, first + N) against column i.
template <int N>
void gram_strip(JacobianColumn row, const JacobianColumn* columns, const double* weight, int count, V* packed) {
  V sum[N];
  JacobianColumn c[N];
  for (int m = 0; m < N; ++m) { c[m] = columns[m]; sum[m] = packed[m]; }
#pragma GCC unroll 1
  for (int k = 0; k < count; ++k) {
    V wj = load(weight + k * W) * load(row.base + k * row.stride);
#pragma GCC unroll 8
    for (int m = 0; m < N; ++m) sum[m] = fma(wj, load(c[m].base + k * c[m].stride), sum[m]);
  }
  for (int m = 0; m < N; ++m) packed[m] = sum[m];
}

using Strip = void (*)(JacobianColumn, const JacobianColumn*, const double*, int, V*);
template <int... N> constexpr Strip strip_of(int n, std::integer_sequence<int, N...>) {
  constexpr Strip table[] = {gram_strip<N + 1>...};
  return table[n - 1];
}
constexpr int kStrip = 8;

void gram_by_strips(int parameters, const JacobianColumn* columns, const double* weight, int count, V* packed) {
  for (int i = 0; i < parameters; ++i)
    for (int first = 0; first <= i; first += kStrip) {
      int n = i + 1 - first < kStrip ? i + 1 - first : kStrip;
      strip_of(n, std::make_integer_sequence<int, kStrip>())(columns[i], columns + first, weight, count,
                                                           packed + i * (i + 1) / 2 + first);
    }
}

}  // namespace

void add_gram(int parameters, const JacobianColumn* columns, const double* weight, int count, V* packed) {
  switch (parameters) {
    case 1: return gram_triangle<1>(columns, weight, count, packed);
    case 2: return gram_triangle<2>(columns, weight, count, packed);
    case 3: return gram_triangle<3>(columns, weight, count, packed);
    case 4: return gram_triangle<4>(columns, weight, count, packed);
    case kWholeTriangle: return gram_triangle<kWholeTriangle>(columns, weight, count, packed);
    default: return gram_by_strips(parameters, columns, weight, count, packed);
  }
}

void add_gradient(int parameters, const JacobianColumn* columns, const double* slope, int count, V* gradient) {
  for (int i = 0; i < parameters; ++i) {
    const JacobianColumn c = columns[i];
    V sum = gradient[i];
    for (int k = 0; k < count; ++k) sum = fma(load(slope + k * W), load(c.base + k * c.stride), sum);
    gradient[i] = sum;
  }
}

}  // namespace lawfit
