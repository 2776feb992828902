// Draws: moments of the distributions, and what is no distribution.
#include <cmath>

#include "../../cpp/engine/draws.hpp"
#include "check.hpp"

using lawfit::Draws;

namespace {
constexpr int kDraws = 40000;

// Mean and variance within five standard errors, of values with the given kurtosis (3: normal).
template <class Draw> void moments(const Draw& draw, double mean, double variance, double kurtosis) {
  double sum = 0, squares = 0;
  for (int k = 0; k < kDraws; ++k) {
    Draws draws(7, k);
    const double x = draw(draws) - mean;
    sum += x;
    squares += x * x;
  }
  CHECK(std::fabs(sum / kDraws) <= 5 * std::sqrt(variance / kDraws));
  CHECK(std::fabs(squares / kDraws - variance) <= 5 * variance * std::sqrt((kurtosis - 1) / kDraws));
}
}  // namespace

TEST(gamma_has_its_moments) {
  for (double shape : {0.05, 0.7, 1.0, 3.0, 1e6, 1e15})
    moments([&](Draws& d) { return d.gamma(shape); }, shape, shape, 3 + 6 / shape);
}
TEST(counts_have_their_moments) {
  for (double mean : {0.01, 3.0, 9.99, 10.0, 1e4, 1e12}) {
    moments([&](Draws& d) { return d.poisson(mean); }, mean, mean, 3 + 1 / mean);
    for (double a : {1e-12, 0.1}) {
      const double variance = mean + a * mean * mean;
      moments([&](Draws& d) { return d.negative_binomial(mean, a); }, mean, variance, 3 + 6 * a + 1 / variance);
    }
  }
}
TEST(successes_have_their_moments) {
  for (double trials : {1.0, 30.0, 1e9})
    for (double share : {1e-8, 0.2, 0.5, 0.9}) {
      const double variance = trials * share * (1 - share);
      if (variance < 1e-3) continue;   // hardly any draw differs from the others
      moments([&](Draws& d) { return d.binomial(trials, share); }, trials * share, variance, 3 + (1 - 6 * share * (1 - share)) / variance);
    }
}
TEST(what_is_no_distribution_is_nan) {
  Draws draws(1, 0);
  const double nan = std::nan(""), endless = HUGE_VAL;
  for (double bad : {nan, -1.0, endless}) {
    CHECK(std::isnan(draws.poisson(bad)) && std::isnan(draws.gamma(bad)) && std::isnan(draws.binomial(bad, 0.5)));
    CHECK(std::isnan(draws.negative_binomial(bad, 0.5)) && std::isnan(draws.binomial(5, bad)));
  }
  CHECK(std::isnan(draws.student(nan)) && std::isnan(draws.negative_binomial(3, nan)));
  CHECK(draws.poisson(0) == 0 && draws.binomial(0, 0.3) == 0 && draws.binomial(9, 1) == 9 && draws.binomial(9, 0) == 0);
}

int main() { return check::run_tests(); }
