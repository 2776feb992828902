#include "priors.hpp"

#include <cmath>
#include <stdexcept>

namespace lawfit {

std::vector<Prior> load_priors(const GraphView& view) {
  std::vector<Prior> out;
  for (int k = 0; k < view.prior_count; ++k) {
    const double* row = view.priors + 4 * k;
    if (!(row[0] >= 0 && row[0] < view.parameters && row[2] > 0 && std::isfinite(row[1]) && std::isfinite(row[2])))
      throw std::invalid_argument("priors: bad row " + std::to_string(k));
    out.push_back({static_cast<int>(row[0]), row[1], row[2], row[3] != 0});
  }
  return out;
}

PriorTerms prior_terms(const Prior& prior, double value) {
  const double root = std::sqrt(prior.weight), at = prior.logarithmic ? std::log(value) : value;
  return {root * (at - prior.mean), prior.logarithmic ? root / value : root};
}

void add_priors(const std::vector<Prior>& priors, Tier tier, const V* parameters, const Sums& sums) {
  const V one = broadcast(1.0), half = broadcast(0.5);
  for (const Prior& prior : priors) {
    const int i = prior.parameter, diagonal = i * (i + 1) / 2 + i;
    const V theta = parameters[i], weight = broadcast(prior.weight);
    const V r = (prior.logarithmic ? v_log(theta) : theta) - broadcast(prior.mean), d = prior.logarithmic ? one / theta : one;
    const V gradient = weight * r * d, majoriser = weight * d * d;
    sums.value[0] += half * weight * r * r;
    sums.energy[0] += majoriser * theta * theta;
    sums.sensitivity[0] += vabs(gradient * theta);
    if (tier == Tier::value) continue;
    sums.gradient[i] += gradient;
    sums.majorised[diagonal] += majoriser;
    if (tier == Tier::hessian) sums.second[diagonal] += prior.logarithmic ? majoriser * (one - r) : majoriser;
  }
}

double prior_value(const std::vector<Prior>& priors, const double* parameters) {
  double sum = 0;
  for (const Prior& prior : priors) {
    const double residual = prior_terms(prior, parameters[prior.parameter]).residual;
    sum += 0.5 * residual * residual;
  }
  return sum;
}

void add_prior_curvature(const std::vector<Prior>& priors, const double* parameters, int p, double* hessian) {
  for (const Prior& prior : priors) {
    const double value = parameters[prior.parameter], jacobian = prior_terms(prior, value).jacobian, majoriser = jacobian * jacobian;
    hessian[prior.parameter * p + prior.parameter] += prior.logarithmic ? majoriser * (1 - (std::log(value) - prior.mean)) : majoriser;
  }
}

}  // namespace lawfit
