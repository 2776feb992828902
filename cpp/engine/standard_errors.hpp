// Standard errors of many fits of one law, side by side.
#pragma once
#include <functional>

#include "covariance.hpp"

namespace lawfit {

struct ErrorJobs {
  const double* parameters;        // jobs x parameters
  const int8_t* active;            // jobs x parameters: on a bound
  const int64_t *begin, *count;    // the rows of each job
  int64_t jobs;
  CovarianceKind kind;
  bool absolute;                   // sigma is known, so no scale is estimated
};

// jobs x parameters into `out`: roots of the covariance's diagonal, NaN where it is undefined.
// False when `poll` asked to stop.
bool standard_errors(const CompiledLaw& law, const TableView& table, const ObjectiveSpec& objective, const ErrorJobs& jobs, int variables, int threads,
                     const std::function<bool()>& poll, double* out);

}  // namespace lawfit
