// Sobol points (Antonov-Saleev order) with a digital shift drawn from the seed.
#pragma once
#include <cstdint>
#include <vector>

namespace lawfit {

class Sobol {
 public:
  Sobol(int dimensions, uint64_t seed);
  // Point number `index` (from 0) in [0, 1); dimensions beyond the table use Philox draws.
  void point(uint64_t index, double* out) const;

 private:
  int dimensions_;
  uint64_t seed_;
  std::vector<uint32_t> directions_, shifts_;   // [dimension][32]
};

}  // namespace lawfit
