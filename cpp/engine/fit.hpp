// One call: groups x starts through starts -> far -> finish -> reduce -> certificate.
#pragma once
#include <functional>

#include "law.hpp"
#include "solver.hpp"

namespace lawfit {

struct FitOptions {
  Limits limits;
  double max_seconds = 0;
  uint64_t seed = 0;
  int threads = 1;
  std::function<bool(int64_t done, int64_t total)> poll;   // false: cancel
};

struct FitRequest {
  TableView table;
  const int64_t* offsets;          // groups + 1
  int64_t groups;
  ObjectiveSpec objective;
  std::vector<double> lower, upper, guess;   // guess: NaN where unknown
  const double* starts = nullptr;  // given starts, or null
  int64_t given = 0;               // how many per group
  bool starts_per_group = false;
  int asked = 0;                   // Sobol starts without screening; 0: automatic
};

struct FitTable {                  // one row per group
  int parameters = 0;
  int64_t groups = 0, starts = 0;
  std::vector<double> values, objective, gradient_norm, best_share, second_objective;
  std::vector<int8_t> status, active;
  std::vector<int32_t> iterations, n_starts, n_converged;
  std::vector<uint8_t> moved, tradeoff;
  std::vector<double> start_values, start_objective;   // groups x starts
  std::vector<int8_t> start_status;
};

FitTable fit(const CompiledLaw& law, const FitRequest& request, const FitOptions& options);

// Refits of one data set with other row weights, warm from a fit.
struct ReplicateRequest {
  TableView table;
  ObjectiveSpec objective;
  std::vector<double> lower, upper, warm;
  int64_t replicates;
  const double* weights = nullptr;   // replicates x rows, or null: pairs resamples drawn here
};
struct ReplicateTable {
  std::vector<double> values, objective;
  std::vector<int8_t> status;
};
ReplicateTable resample(const CompiledLaw& law, const ReplicateRequest& request, const FitOptions& options);

}  // namespace lawfit
