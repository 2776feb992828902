#include "draws.hpp"

#include <cmath>

#include "simd.hpp"

namespace lawfit {

namespace {
constexpr double kFew = 10;             // expected counts below which the probabilities are summed
constexpr double kNoMore = 0x1p-70;     // probability that no uniform number of 53 bits sees
constexpr int kMostTries = 1000;        // two of three are accepted
constexpr double kTwoPi = 6.283185307179586;

// d - log(1 + d), which loses its digits near zero; there its series.
double excess(double d) {
  if (std::fabs(d) > 0.01) return d - std::log1p(d);
  double series = 0;
  for (int k = 9; k >= 2; --k) series = 1.0 / k - d * series;
  return d * d * series;
}

// log k! less Stirling's approximation of it, carried down from where its series holds.
double stirling_rest(double k) {
  double rest = 0;
  for (; k < 16; ++k) rest += (k + 0.5) * std::log1p(1 / k) - 1;
  const double i = 1 / k, i2 = i * i;
  return rest + i * (1.0 / 12 - i2 * (1.0 / 360 - i2 * (1.0 / 1260 - i2 / 1680)));
}

// Minus the log probability of k where m are expected, without the cancellation of large terms
// (C. Loader, "Fast and accurate computation of binomial probabilities", 2000).
double poisson_cost(double k, double m) {
  return k > 0 ? k * excess((m - k) / k) + stirling_rest(k) + 0.5 * std::log(kTwoPi * k) : m;
}
}  // namespace

uint32_t Draws::word() {
  if (at_ == 4) {
    words_ = stream_.block(next_++);
    at_ = 0;
  }
  return words_[at_++];
}

double Draws::uniform() {
  const uint64_t high = word(), low = word();
  return (static_cast<double>((high << 21) ^ (low >> 11)) + 0.5) * 0x1p-53;
}

double Draws::exponential() { return -std::log(uniform()); }

double Draws::normal() {   // Box and Muller (1958), both of a pair
  if (spare_) {
    spare_ = false;
    return other_;
  }
  const double radius = std::sqrt(2 * exponential()), angle = kTwoPi * uniform();
  other_ = radius * std::sin(angle);
  spare_ = true;
  return radius * std::cos(angle);
}

double Draws::multiplier(Multiplier kind) {
  const uint32_t w = word();
  if (kind == Multiplier::rademacher) return w & 0x80000000u ? 1 : -1;
  if (kind == Multiplier::mammen) {   // Mammen (1993): mean 0, variance 1, third moment 1
    constexpr double root = 2.23606797749979, share = (root + 1) / (2 * root);
    return w < share * 4294967296.0 ? (1 - root) / 2 : (1 + root) / 2;
  }
  constexpr double sizes[] = {1.224744871391589, 1, 0.7071067811865476};   // Webb (2023)
  const uint32_t k = lawfit::below(w, 6);
  return k < 3 ? sizes[k] : -sizes[k - 3];
}

// Marsaglia and Tsang, "A simple method for generating gamma variables" (2000).
double Draws::gamma(double shape) {
  if (!(shape > 0 && shape < infinity)) return not_a_number;
  if (shape < 1) {
    const double more = gamma(shape + 1);
    return more * std::pow(uniform(), 1 / shape);
  }
  const double d = shape - 1.0 / 3, c = 1 / std::sqrt(9 * d);
  for (int k = 0; k < kMostTries; ++k) {
    const double x = normal(), t = c * x, w = t * (3 + t * (3 + t));   // (1 + t)^3 - 1
    if (w > -1 && std::log(uniform()) < 0.5 * x * x - d * excess(w)) return d * (1 + w);
  }
  return not_a_number;
}

double Draws::student(double tail) {
  const double z = normal();
  if (tail == 0) return z;
  const double half = 0.5 / tail;
  return z / std::sqrt(gamma(half) / half);
}

// A count by the ratio of two uniform numbers: E. Stadlober, "The ratio of uniforms approach for
// generating discrete random variates", J. Comput. Appl. Math. 31 (1990), whose constants these are.
// cost: minus the log probability up to a constant.
template <class Cost> double Draws::by_ratio(double mean, double variance, double mode, double most, const Cost& cost) {
  constexpr double kWide = 1.7155277699214135, kMore = 0.8989161620588988;   // sqrt(8/e), 3 - sqrt(12/e)
  const double width = kWide * std::sqrt(variance + 0.5) + kMore, least = cost(mode);
  for (int k = 0; k < kMostTries; ++k) {
    const double u = uniform(), count = std::floor(mean + 0.5 + width * (uniform() - 0.5) / u);
    if (count >= 0 && count <= most && 2 * std::log(u) <= least - cost(count)) return count;
  }
  return not_a_number;
}

double Draws::poisson(double mean) {
  if (!(mean >= 0 && mean < infinity)) return not_a_number;
  if (mean >= kFew) return by_ratio(mean, mean, std::floor(mean), infinity, [&](double k) { return poisson_cost(k, mean); });
  double left = uniform(), probability = std::exp(-mean), count = 0;
  while (left > probability && (count < mean || probability > kNoMore)) {
    left -= probability;
    probability *= mean / ++count;
  }
  return count;
}

// Poisson of a gamma-distributed mean.
double Draws::negative_binomial(double mean, double dispersion) {
  if (dispersion == 0 || !(mean > 0)) return poisson(mean);
  return poisson(mean * dispersion * gamma(1 / dispersion));
}

double Draws::binomial(double trials, double share) {
  if (!(trials >= 0 && trials < infinity && share >= 0 && share <= 1)) return not_a_number;
  if (share > 0.5) return trials - binomial(trials, 1 - share);
  const double mean = trials * share, rest = 1 - share;
  if (mean >= kFew)
    return by_ratio(mean, mean * rest, std::floor((trials + 1) * share), trials,
                    [&](double k) { return poisson_cost(k, mean) + poisson_cost(trials - k, trials * rest); });
  double left = uniform(), probability = std::exp(trials * std::log1p(-share)), count = 0;
  while (left > probability && count < trials && (count < mean || probability > kNoMore)) {
    left -= probability;
    probability *= (trials - count) * share / (rest * (count + 1));
    ++count;
  }
  return count;
}

}  // namespace lawfit
