// Parameter vectors of one law, each with its own rows: what is asked of many fits afterwards.
#pragma once
#include <functional>

#include "covariance.hpp"
#include "nuisance.hpp"

namespace lawfit {

struct RowJobs {
  const double* parameters;        // jobs x parameters
  const int64_t *begin, *count;    // the rows of each job
  int64_t jobs;
  int variables;                   // of the law
  const LossNumbers* numbers;      // the loss's, one a job; null: the objective's
  int threads;
  std::function<bool()> poll;      // false: stop
};

// Jobs without rows, and those with parameters that are not finite, get NaN. The functions return
// false when `poll` asked to stop.

// The objective of each job into `out`.
bool objectives(const CompiledLaw& law, const TableView& table, const ObjectiveSpec& objective, const RowJobs& jobs, double* out);

// Standard errors, jobs x parameters, into `out`: roots of the covariance's diagonal, NaN where it is
// undefined and for parameters that `active` (jobs x parameters) has on a bound. Those of the loss's
// estimated numbers go into `numbers_out`, if given, jobs x kMostNuisance in the order of Density.
bool standard_errors(const CompiledLaw& law, const TableView& table, const ObjectiveSpec& objective, const RowJobs& jobs, const int8_t* active,
                     CovarianceKind kind, bool absolute, double* out, double* numbers_out = nullptr);

}  // namespace lawfit
