// The random numbers: Philox against its published vectors, Sobol points by their net property.
#include <cmath>
#include <set>
#include <vector>

#include "../../cpp/engine/random.hpp"
#include "../../cpp/engine/sobol.hpp"
#include "check.hpp"

using lawfit::Philox;
using lawfit::Sobol;

namespace {
constexpr int kTabledDimensions = 16;   // further ones are Philox draws
constexpr double kUnit = 4294967296.0;

using Words = std::array<uint32_t, 4>;

std::vector<std::vector<double>> points(int dimensions, int count, uint64_t seed) {
  const Sobol sobol(dimensions, seed);
  std::vector<std::vector<double>> all(count, std::vector<double>(dimensions));
  for (int i = 0; i < count; ++i) sobol.point(i, all[i].data());
  return all;
}
}   // namespace

// Salmon, Moraes, Dror and Shaw (2011), known-answer vectors of Random123 for philox4x32-10:
// the counter is (n, stream), low words first, the key is the seed.
TEST(philox_gives_the_published_numbers) {
  CHECK(Philox(0, 0).block(0) == Words{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8});
  const uint64_t ones = ~uint64_t{0};
  CHECK(Philox(ones, ones).block(ones) == Words{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd});
  CHECK(Philox(0x299f31d0a4093822u, 0x0370734413198a2eu).block(0x85a308d3243f6a88u) ==
        Words{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1});
}
TEST(lanes_of_philox_are_its_blocks) {
  const Philox stream(0x299f31d0a4093822u, 0x0370734413198a2eu);
  for (uint64_t n : {uint64_t{0}, uint64_t{5}, uint64_t{0xfffffffd}, uint64_t{0x85a308d3243f6a88u}}) {
    const lawfit::U words = stream.first_words(n);
    for (int lane = 0; lane < lawfit::W; ++lane) CHECK(words[lane] == stream.block(n + static_cast<uint64_t>(lane))[0]);
  }
}
TEST(philox_streams_and_seeds_differ) {
  std::set<Words> seen;
  for (uint64_t seed = 0; seed < 10; ++seed)
    for (uint64_t stream = 0; stream < 10; ++stream)
      for (uint64_t n = 0; n < 10; ++n) seen.insert(Philox(seed, stream).block(n));
  CHECK(seen.size() == 1000);
}
TEST(below_covers_its_range_evenly) {
  std::vector<int> hits(7, 0);
  for (uint64_t n = 0; n < 17500; ++n)
    for (uint32_t word : Philox(3, 0).block(n)) {
      const uint32_t draw = lawfit::below(word, 7);
      CHECK(draw < 7);
      if (draw < 7) ++hits[draw];
    }
  double chi_square = 0;
  for (int h : hits) chi_square += (h - 10000.0) * (h - 10000.0) / 10000.0;
  CHECK(chi_square < 22.5);   // 0.999 quantile, 6 degrees of freedom
  CHECK(lawfit::below(0, 5) == 0 && lawfit::below(0xffffffffu, 5) == 4);
}

TEST(sobol_projections_are_stratified_for_every_power_of_two) {
  for (uint64_t seed : {0u, 1u, 77u}) {
    const auto all = points(kTabledDimensions, 1024, seed);
    for (int d = 0; d < kTabledDimensions; ++d)
      for (int n = 1; n <= 1024; n *= 2) {
        std::vector<int> hits(n, 0);
        for (int i = 0; i < n; ++i) ++hits[static_cast<int>(all[i][d] * n)];
        bool one_each = true;
        for (int h : hits) one_each &= h == 1;
        CHECK(one_each);
      }
  }
}
// The first two dimensions are a (0, 2)-sequence: every dyadic box of area 1/n holds one of n
// points.
TEST(sobol_pairs_fill_every_dyadic_box) {
  const auto all = points(2, 256, 5);
  for (int wide = 0; wide <= 8; ++wide) {
    const int across = 1 << wide, down = 256 / across;
    std::set<int> boxes;
    for (const auto& x : all)
      boxes.insert(static_cast<int>(x[0] * across) * down + static_cast<int>(x[1] * down));
    CHECK(boxes.size() == 256);
  }
}
// Without its shift the sequence is the one of Joe and Kuo's tables.
TEST(sobol_without_its_shift_is_the_textbook_sequence) {
  const double textbook[8][3] = {{0, 0, 0},          {.5, .5, .5},       {.75, .25, .25},
                                 {.25, .75, .75},    {.375, .375, .625}, {.875, .875, .125},
                                 {.625, .125, .875}, {.125, .625, .375}};
  const auto all = points(3, 8, 123);
  for (int i = 0; i < 8; ++i)
    for (int d = 0; d < 3; ++d) {
      const auto bits = [&](int k) { return static_cast<uint32_t>(all[k][d] * kUnit - 0.5); };
      CHECK((bits(i) ^ bits(0)) / kUnit == textbook[i][d]);
    }
}
TEST(sobol_points_are_inside_and_shifted_by_the_seed) {
  const auto first = points(20, 512, 1), second = points(20, 512, 2);
  for (int i = 0; i < 512; ++i)
    for (int d = 0; d < 20; ++d)
      CHECK(first[i][d] > 0 && first[i][d] < 1 && first[i][d] != second[i][d]);
}

int main() { return check::run_tests(); }
