// What a fit is asked for and what it answers. Groups x starts go through
// starts -> far -> finish -> reduce -> certificate; the results are rows of arrays.
#pragma once
#include <algorithm>
#include <functional>

#include "law.hpp"
#include "solver.hpp"

namespace lawfit {

struct FitOptions {
  Limits limits;
  double max_seconds = 0;
  uint64_t seed = 0;
  int threads = 1;
  bool keep_starts = false;
  std::function<bool(int64_t done, int64_t total)> poll;   // false: cancel
  // The same for run_workers, done() being how much is done by then; empty where nobody is to be asked.
  template <class Done> std::function<bool()> polls(Done done, int64_t total) const {
    if (!poll) return nullptr;
    return [this, done, total] { return poll(std::min<int64_t>(done(), total), total); };
  }
};

struct StartRequest {
  const double* given = nullptr;   // starts x parameters, or groups x starts x parameters; null: made here
  int64_t count = 0;               // how many are given per group
  int64_t sets = 0;                // one of them a group; 0: all groups share one
  int asked = 0;                   // Sobol starts without screening; 0: automatic
  int one_in = 1;                  // automatic: of so many, and none around what these find
};

// One row per fit. Rows of a law in a batch: objectives, subsets, groups, the last fastest.
struct FitTable {
  FitTable(int parameters, int64_t fits);
  void keep_starts();              // makes room for `starts` per fit
  void keep_numbers();             // and for the loss's estimated numbers
  void leave_out(int64_t row, Status why);   // a fit that is not made, and all of its starts
  int parameters;
  int64_t fits, starts = 0;
  std::vector<double> values, objective, gradient_norm, best_share, second_objective;
  std::vector<int8_t> status, active;
  std::vector<int32_t> iterations, n_starts, n_converged;
  std::vector<uint8_t> moved, tradeoff;
  std::vector<LossNumbers> numbers;   // empty unless some are estimated; NaN where none are
  std::vector<double> start_values, start_objective;   // fits x starts; empty unless kept
  std::vector<int8_t> start_status;
};

// Groups of rows that one law is fitted to under one objective.
struct FitRequest {
  TableView table;
  const int64_t* offsets;          // groups + 1
  int64_t groups;
  ObjectiveSpec objective;
  std::vector<double> lower, upper, guess;   // guess: NaN where unknown
  StartRequest starts;
  const int64_t* numbers = nullptr;   // of the groups, counting through the subsets; null: 0, 1, ...
  int64_t first_row = 0;              // of group number 0 in the result
  const LossNumbers* own = nullptr;   // per group of the request: the loss's numbers; null: the objective's
  bool compact = false;               // rows of the result are this request's groups, one after the other
  int64_t number(int64_t g) const { return numbers ? numbers[g] : g; }
  int64_t row(int64_t g) const { return compact ? g : first_row + number(g); }
  const LossNumbers* own_of(int64_t g) const { return own ? own + g : nullptr; }
};


}  // namespace lawfit
