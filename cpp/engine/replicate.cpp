// What is drawn for one replicate: counts, random weights, left-out units, or new targets.
#include <algorithm>
#include <cmath>

#include "resample.hpp"

namespace lawfit {

namespace {
// Random numbers of one replicate, one after the other.
class Draws {
 public:
  Draws(uint64_t seed, int64_t replicate) : stream_(seed, static_cast<uint64_t>(replicate) + 1) {}
  uint32_t word() {
    if (at_ == 4) {
      words_ = stream_.block(next_++);
      at_ = 0;
    }
    return words_[at_++];
  }
  int64_t below(int64_t limit) { return lawfit::below(word(), static_cast<uint32_t>(limit)); }
  // Uniform in (0, 1), never an end.
  double uniform() {
    const uint64_t high = word(), low = word();
    return (static_cast<double>((high << 21) ^ (low >> 11)) + 0.5) * 0x1p-53;
  }
  double exponential() { return -std::log(uniform()); }
  double normal() {   // Box and Muller (1958), both of a pair
    if (spare_) {
      spare_ = false;
      return other_;
    }
    const double radius = std::sqrt(2 * exponential()), angle = 6.283185307179586 * uniform();
    other_ = radius * std::sin(angle);
    spare_ = true;
    return radius * std::cos(angle);
  }
  double multiplier(Multiplier kind) {
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

 private:
  Philox stream_;
  uint64_t next_ = 0;
  std::array<uint32_t, 4> words_{};
  int at_ = 4;
  bool spare_ = false;
  double other_ = 0;
};
}  // namespace

ReplicateMaker::ReplicateMaker(const Scheme& scheme, const int64_t* offsets, int64_t groups, int64_t rows, uint64_t seed)
    : scheme_(scheme), offsets_(offsets), rows_(rows), seed_(seed), unit_count_(groups) {
  for (int64_t g = 0; g < groups; ++g) {
    const int64_t begin = offsets[g], end = offsets[g + 1];
    unit_count_[g] = end - begin;
    if (!scheme.units) continue;
    unit_count_[g] = begin == end ? 0 : *std::max_element(scheme.units + begin, scheme.units + end) + 1;
    if (scheme.kind != Resampling::stratified) continue;
    first_stratum_.push_back(static_cast<int64_t>(member_begin_.size()));
    std::vector<std::vector<int64_t>> strata(unit_count_[g]);
    for (int64_t r = begin; r < end; ++r) strata[scheme.units[r]].push_back(r - begin);
    for (const auto& stratum : strata) {
      member_begin_.push_back(static_cast<int64_t>(members_.size()));
      members_.insert(members_.end(), stratum.begin(), stratum.end());
    }
    member_begin_.push_back(static_cast<int64_t>(members_.size()));
  }
}

bool ReplicateMaker::make(int64_t group, int64_t replicate, double* out) const {
  const int64_t begin = offsets_[group], n = offsets_[group + 1] - begin, units = unit_count_[group];
  const int32_t* unit = scheme_.units ? scheme_.units + begin : nullptr;
  Draws draws(seed_ ^ (scheme_.keys ? scheme_.keys[group] : 0), replicate);
  auto spread_units = [&](const std::vector<double>& of_unit) { for (int64_t i = 0; i < n; ++i) out[i] = of_unit[unit[i]]; };
  switch (scheme_.kind) {
    case Resampling::given:
      std::copy_n(scheme_.given + replicate * rows_ + begin, n, out);
      return true;
    case Resampling::pairs:
      std::fill(out, out + n, 0.0);
      for (int64_t i = 0; i < n; ++i) out[draws.below(n)] += 1;
      return true;
    case Resampling::cluster: {
      std::vector<double> counts(units, 0.0);
      for (int64_t u = 0; u < units; ++u) counts[draws.below(units)] += 1;
      spread_units(counts);
      return true;
    }
    case Resampling::stratified:
      std::fill(out, out + n, 0.0);
      for (int64_t u = 0; u < units; ++u) {
        const int64_t* bounds = &member_begin_[first_stratum_[group] + u];
        const int64_t size = bounds[1] - bounds[0];
        for (int64_t i = 0; i < size; ++i) out[members_[bounds[0] + draws.below(size)]] += 1;
      }
      return true;
    case Resampling::bayesian: {   // Rubin (1981): flat Dirichlet weights, here of mean one
      std::vector<double> shares(units);
      double total = 0;
      for (double& share : shares) total += share = draws.exponential();
      for (double& share : shares) share *= static_cast<double>(units) / total;
      if (unit) spread_units(shares);
      else std::copy(shares.begin(), shares.end(), out);
      return true;
    }
    case Resampling::jackknife:
      if (replicate >= units) return false;
      for (int64_t i = 0; i < n; ++i) out[i] = (unit ? unit[i] : i) == replicate ? 0 : 1;
      return true;
    default: break;
  }
  const double *centre = scheme_.centre + begin, *spread = scheme_.spread + begin;
  if (scheme_.kind == Resampling::residual) {
    const double* pool = scheme_.pool + begin;
    for (int64_t i = 0; i < n; ++i) out[i] = std::fma(spread[i], pool[draws.below(n)], centre[i]);
  } else if (scheme_.kind == Resampling::parametric) {
    for (int64_t i = 0; i < n; ++i) out[i] = std::fma(spread[i], draws.normal(), centre[i]);
  } else {
    std::vector<double> signs(units);
    for (double& sign : signs) sign = draws.multiplier(scheme_.multiplier);
    for (int64_t i = 0; i < n; ++i) out[i] = std::fma(spread[i], signs[unit ? unit[i] : i], centre[i]);
  }
  return true;
}

}  // namespace lawfit
