#include "sobol.hpp"

#include <algorithm>

#include "random.hpp"

namespace lawfit {

namespace {
// Primitive polynomials modulo 2 (degree, inner coefficients) and odd initial direction
// numbers; the first dimension is the van der Corput sequence.
struct Polynomial { int degree; uint32_t inner; uint32_t initial[6]; };
constexpr Polynomial kPolynomials[] = {
    {1, 0, {1}},
    {2, 1, {1, 3}},
    {3, 1, {1, 3, 1}},
    {3, 2, {1, 1, 1}},
    {4, 1, {1, 1, 3, 3}},
    {4, 4, {1, 3, 5, 13}},
    {5, 2, {1, 1, 5, 5, 17}},
    {5, 4, {1, 1, 5, 5, 5}},
    {5, 7, {1, 1, 7, 11, 19}},
    {5, 11, {1, 1, 5, 1, 1}},
    {5, 13, {1, 1, 1, 3, 11}},
    {5, 14, {1, 3, 5, 5, 31}},
    {6, 1, {1, 3, 3, 9, 7, 49}},
    {6, 13, {1, 1, 1, 15, 21, 21}},
    {6, 16, {1, 3, 1, 13, 27, 49}},
};
constexpr int kTabled = 1 + sizeof(kPolynomials) / sizeof(kPolynomials[0]);
constexpr int kBits = 32;
constexpr double kUnit = 1.0 / 4294967296.0;
}  // namespace

Sobol::Sobol(int dimensions, uint64_t seed) : dimensions_(dimensions), seed_(seed) {
  const int tabled = std::min(dimensions, kTabled);
  directions_.assign(static_cast<size_t>(tabled) * kBits, 0);
  shifts_.assign(tabled, 0);
  for (int d = 0; d < tabled; ++d) {
    uint32_t* v = directions_.data() + d * kBits;
    shifts_[d] = Philox(seed, 0x50B01u).block(d)[0];
    if (d == 0) {
      for (int bit = 0; bit < kBits; ++bit) v[bit] = 1u << (kBits - 1 - bit);
      continue;
    }
    const Polynomial& p = kPolynomials[d - 1];
    for (int bit = 0; bit < kBits; ++bit) {
      if (bit < p.degree) { v[bit] = p.initial[bit] << (kBits - 1 - bit); continue; }
      v[bit] = v[bit - p.degree] ^ (v[bit - p.degree] >> p.degree);
      for (int k = 1; k < p.degree; ++k)
        if ((p.inner >> (p.degree - 1 - k)) & 1) v[bit] ^= v[bit - k];
    }
  }
}

void Sobol::point(uint64_t index, double* out) const {
  const uint64_t gray = index ^ (index >> 1);
  const int tabled = std::min(dimensions_, kTabled);
  for (int d = 0; d < tabled; ++d) {
    uint32_t x = shifts_[d];
    for (int bit = 0; bit < kBits; ++bit) if ((gray >> bit) & 1) x ^= directions_[d * kBits + bit];
    out[d] = (x + 0.5) * kUnit;
  }
  for (int d = tabled; d < dimensions_; ++d) out[d] = (Philox(seed_, index).block(d)[0] + 0.5) * kUnit;
}

}  // namespace lawfit
