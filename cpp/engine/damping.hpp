// The Levenberg-Marquardt trust state of every lane: how strongly the next step is damped.
#pragma once
#include "simd.hpp"

namespace lawfit {

struct Damping {
  V lambda, growth;

  void reset(L lanes, double first) {
    lambda = select(lanes, broadcast(first), lambda);
    growth = select(lanes, broadcast(kGrowth), growth);
  }
  // gain: actual over predicted decrease of an accepted step.
  void accepted(L lanes, V gain) {
    const V t = broadcast(2.0) * gain - broadcast(1.0);
    // Just after a failure the next smaller damping is not yet to be trusted.
    const V least = select(growth > broadcast(kGrowth), broadcast(0.5), broadcast(0.1));
    V factor = vmin(vmax(broadcast(1.0) - t * t * t, least), broadcast(2.0));
    factor = select(gain == gain, factor, broadcast(1.0));
    lambda = select(lanes, vmax(lambda * factor, broadcast(kLeast)), lambda);
    growth = select(lanes, broadcast(kGrowth), growth);
  }
  // `floor`: the smallest damping that can matter after a failure.
  void rejected(L lanes, V floor) {
    lambda = select(lanes, vmax(lambda * growth, floor), lambda);
    growth = select(lanes, vmin(growth * broadcast(2.0), broadcast(64.0)), growth);
  }
  static constexpr double kLeast = 1e-15, kMost = 1e16, kGrowth = 4.0;
};

}  // namespace lawfit
