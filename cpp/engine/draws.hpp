// Random numbers of many distributions, one after the other, from one stream of Philox: those of
// replicate k of seed s are the same on any thread.
#pragma once
#include "random.hpp"

namespace lawfit {

enum class Multiplier { rademacher, mammen, webb };

class Draws {
 public:
  Draws(uint64_t seed, int64_t replicate) : stream_(seed, static_cast<uint64_t>(replicate) + 1) {}
  int64_t below(int64_t limit) { return lawfit::below(word(), static_cast<uint32_t>(limit)); }
  double uniform();                 // in (0, 1), never an end
  double exponential();
  double normal();
  double multiplier(Multiplier kind);

  // NaN where the numbers belong to no distribution.
  double gamma(double shape);       // of scale one
  double student(double tail);      // 1/tail degrees of freedom; 0: normal
  double poisson(double mean);
  double negative_binomial(double mean, double dispersion);   // variance mean + dispersion mean^2
  double binomial(double trials, double share);               // successes

 private:
  uint32_t word();
  template <class Cost> double by_ratio(double mean, double variance, double mode, double most, const Cost& cost);

  Philox stream_;
  uint64_t next_ = 0;
  std::array<uint32_t, 4> words_{};
  int at_ = 4;
  bool spare_ = false;
  double other_ = 0;
};

}  // namespace lawfit
