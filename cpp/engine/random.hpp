// Counter-based random numbers (Philox 4x32, ten rounds; Salmon et al. 2011): the n-th draw of a
// stream is a function of (seed, stream, n), so results do not depend on order or threads.
#pragma once
#include <array>
#include <cstdint>

namespace lawfit {

class Philox {
 public:
  Philox(uint64_t seed, uint64_t stream) : key_{low(seed), high(seed)}, stream_{low(stream), high(stream)} {}

  // Four 32-bit words for counter value `n`.
  std::array<uint32_t, 4> block(uint64_t n) const {
    std::array<uint32_t, 4> x{low(n), high(n), stream_[0], stream_[1]};
    uint32_t k0 = key_[0], k1 = key_[1];
    for (int round = 0; round < 10; ++round) {
      const uint64_t a = uint64_t{0xD2511F53u} * x[0], b = uint64_t{0xCD9E8D57u} * x[2];
      x = {high(b) ^ x[1] ^ k0, low(b), high(a) ^ x[3] ^ k1, low(a)};
      k0 += 0x9E3779B9u;
      k1 += 0xBB67AE85u;
    }
    return x;
  }

 private:
  static uint32_t low(uint64_t v) { return static_cast<uint32_t>(v); }
  static uint32_t high(uint64_t v) { return static_cast<uint32_t>(v >> 32); }
  uint32_t key_[2], stream_[2];
};

// Uniform integer below `limit` from one 32-bit word; the bias is below limit/2**32.
inline uint32_t below(uint32_t word, uint32_t limit) { return static_cast<uint32_t>((uint64_t{word} * limit) >> 32); }

}  // namespace lawfit
