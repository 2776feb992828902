// Counter-based random numbers (Philox 4x32, ten rounds; Salmon et al. 2011): the n-th draw of a
// stream is a function of (seed, stream, n), so results do not depend on order or threads.
#pragma once
#include <array>
#include <cstdint>

#include "simd.hpp"

namespace lawfit {

class Philox {
 public:
  Philox(uint64_t seed, uint64_t stream) : key_{low(seed), high(seed)}, stream_{low(stream), high(stream)} {}

  // Four 32-bit words for counter value `n`.
  std::array<uint32_t, 4> block(uint64_t n) const {
    std::array<uint32_t, 4> x{low(n), high(n), stream_[0], stream_[1]};
    mix(x);
    return x;
  }
  // The first word for each of the W counter values from `n` on.
  U first_words(uint64_t n) const {
    U counter = n - U{};
    for (int lane = 1; lane < W; ++lane) counter[lane] += static_cast<uint64_t>(lane);
    std::array<U, 4> x{counter, counter >> 32, stream_[0] - U{}, stream_[1] - U{}};
    mix(x);
    return x[0] & uint64_t{0xffffffffu};
  }

 private:
  static uint32_t low(uint64_t v) { return static_cast<uint32_t>(v); }
  static uint32_t high(uint64_t v) { return static_cast<uint32_t>(v >> 32); }
  static uint64_t product(uint32_t a, uint32_t b) { return uint64_t{a} * b; }
  // The same with a word in the low half of each lane, whatever the high half holds.
  static U low(U v) { return v; }
  static U high(U v) { return v >> 32; }
  static U product(U a, U b) { return multiply_low(a, b); }

  template <class Word> void mix(std::array<Word, 4>& x) const {
    Word x0 = x[0], x1 = x[1], x2 = x[2], x3 = x[3];
    uint32_t k0 = key_[0], k1 = key_[1];
    for (int round = 0; round < 10; ++round) {
      const auto a = product(x0, 0xD2511F53u - Word{}), b = product(x2, 0xCD9E8D57u - Word{});
      x0 = high(b) ^ x1 ^ (k0 - Word{});
      x1 = low(b);
      x2 = high(a) ^ x3 ^ (k1 - Word{});
      x3 = low(a);
      k0 += 0x9E3779B9u;
      k1 += 0xBB67AE85u;
    }
    x = {x0, x1, x2, x3};
  }

  uint32_t key_[2], stream_[2];
};

// Uniform integer below `limit` from one 32-bit word; the bias is below limit/2**32.
inline uint32_t below(uint32_t word, uint32_t limit) { return static_cast<uint32_t>((uint64_t{word} * limit) >> 32); }

}  // namespace lawfit
