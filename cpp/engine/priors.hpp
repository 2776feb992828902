// What is believed of parameters before the data: each adds the half square of one more residual,
// (parameter - mean)/sd or (log parameter - mean)/sd, to the objective.
#pragma once
#include <vector>

#include "evaluate.hpp"

namespace lawfit {

struct Prior {
  int parameter;
  double mean, weight;             // weight: 1/sd^2
  bool logarithmic;
};
std::vector<Prior> load_priors(const GraphView& view);   // throws std::invalid_argument

struct PriorTerms { double residual, jacobian; };   // times the root of the weight: a row of weight one
PriorTerms prior_terms(const Prior& prior, double value);

// Adds them at the lanes' parameters to the sums of one evaluation, as if they were rows.
void add_priors(const std::vector<Prior>& priors, Tier tier, const V* parameters, const Sums& sums);
double prior_value(const std::vector<Prior>& priors, const double* parameters);
void add_prior_curvature(const std::vector<Prior>& priors, const double* parameters, int p, double* hessian);

}  // namespace lawfit
