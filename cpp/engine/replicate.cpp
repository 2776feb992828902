// What is drawn for one replicate: counts, random weights, left-out units, or new targets.
#include <algorithm>
#include <cmath>

#include "resample.hpp"

namespace lawfit {

namespace {
// A row's new target by the likelihood that was fitted.
double target(Draws& draws, const Scheme& scheme, int64_t row) {
  const double centre = scheme.centre[row], spread = scheme.spread[row];
  switch (scheme.errors) {
    case Errors::student_t: return std::fma(spread, draws.student(scheme.tail[row]), centre);
    case Errors::poisson: return draws.poisson(centre);
    case Errors::negative_binomial: return draws.negative_binomial(centre, spread);
    case Errors::binomial: return draws.binomial(spread, centre) / spread;
    default: return std::fma(spread, draws.normal(), centre);
  }
}
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
    for (int64_t i = 0; i < n; ++i) out[i] = target(draws, scheme_, begin + i);
  } else {
    std::vector<double> signs(units);
    for (double& sign : signs) sign = draws.multiplier(scheme_.multiplier);
    for (int64_t i = 0; i < n; ++i) out[i] = std::fma(spread[i], signs[unit ? unit[i] : i], centre[i]);
  }
  return true;
}

}  // namespace lawfit
