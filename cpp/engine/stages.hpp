// Runs jobs of one stage on workers; jobs of many points and of few go through their own layout.
#pragma once
#include <functional>
#include <vector>

#include "fit.hpp"

namespace lawfit {

constexpr int64_t kPointsLayout = 4096;    // rows from which one problem fills all lanes

constexpr int64_t kStartsPerWorker = 16 * W;   // that one worker looks at, at least, where starts are shared out

inline Layout layout_for(int64_t rows) { return rows >= kPointsLayout ? Layout::points : Layout::problems; }

struct StageRun {
  const Problem* problem;
  const TableData* table;
  Stage stage;
  bool own_weights;              // jobs bring their own weights
};
// `order`: the jobs to run, by index.
void run_stage(const StageRun& run, const std::vector<Job>& jobs, std::vector<Outcome>& outcomes, std::vector<int64_t> order,
               const FitOptions& options, Cancellation& cancelled);
void run_stage(const StageRun& run, const std::vector<Job>& jobs, std::vector<Outcome>& outcomes, const FitOptions& options,
               Cancellation& cancelled);   // all jobs

TableData prepare_table(const CompiledLaw& law, const TableView& table, Space space);
Problem make_problem(const CompiledLaw& law, const ObjectiveSpec& objective, const std::vector<double>& lower,
                     const std::vector<double>& upper);

}  // namespace lawfit
