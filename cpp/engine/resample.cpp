// Refits of resampled weights, warm from the full fit.
#include <algorithm>
#include <cmath>

#include "descent.hpp"
#include "fit.hpp"
#include "random.hpp"
#include "row_model.hpp"
#include "stages.hpp"

namespace lawfit {

namespace {
// Row counts of one pairs resample: as many draws with replacement as there are rows.
void draw_pairs(uint64_t seed, int64_t replicate, int64_t rows, double* counts) {
  std::fill(counts, counts + rows, 0.0);
  const Philox stream(seed, static_cast<uint64_t>(replicate) + 1);
  for (int64_t i = 0; i < rows; i += 4) {
    const auto words = stream.block(static_cast<uint64_t>(i) / 4);
    for (int64_t k = i; k < std::min(i + 4, rows); ++k) counts[below(words[k - i], static_cast<uint32_t>(rows))] += 1;
  }
}
}  // namespace

ReplicateTable resample(const CompiledLaw& law, const ReplicateRequest& request, const FitOptions& options) {
  const int p = law.centred.parameters;
  const int64_t n = request.table.rows, replicates = request.replicates;
  const Problem problem = make_problem(law, request.objective, request.lower, request.upper);
  const TableData table = prepare_table(law.centred, request.table.columns, request.table.y, request.table.weight,
                                        request.table.sigma, n, request.objective.space);
  std::vector<double> weights(static_cast<size_t>(replicates) * n);
  for (int64_t r = 0; r < replicates; ++r) {
    double* row = weights.data() + r * n;
    if (request.weights) std::copy_n(request.weights + r * n, n, row);
    else draw_pairs(options.seed, r, n, row);
    if (!table.weight.empty()) for (int64_t i = 0; i < n; ++i) row[i] *= table.weight[i];
  }
  ReplicateTable result;
  result.values.assign(static_cast<size_t>(replicates) * p, not_a_number);
  result.objective.assign(replicates, not_a_number);
  result.status.assign(replicates, static_cast<int8_t>(Status::cancelled));
  std::vector<int8_t> active(static_cast<size_t>(replicates) * p);
  RowModel rows(law, request.table, request.objective, n);
  // A kink needs some smoothing to start from: the spread of the full fit's residuals.
  const double full = rows.objective(request.warm.data(), 0, n, nullptr);
  const double relax = has_kink(request.objective.loss) ? 0.1 * full / static_cast<double>(n) : 0;
  const double sharpest = 2e-15 * typical_size(table, 0, n);
  std::vector<Job> jobs;
  std::vector<Outcome> outcomes;
  std::vector<int64_t> drawn;   // replicates with enough distinct rows to fit
  for (int64_t r = 0; r < replicates; ++r) {
    const double* w = weights.data() + r * n;
    if (std::count_if(w, w + n, [](double x) { return x > 0; }) < p) {
      result.status[r] = static_cast<int8_t>(Status::too_few_points);
      continue;
    }
    drawn.push_back(r);
    jobs.push_back({0, n, w, request.warm.data(), relax});
    jobs.back().sharpest = sharpest;
    outcomes.push_back({&result.values[r * p], &active[r * p], infinity, infinity, 0, 0, Status::cancelled, false});
  }
  std::atomic<bool> cancelled{false};
  auto solve = [&](Stage stage, std::vector<Job>& todo, std::vector<Outcome>& out) {
    run_stage({&problem, &table, stage, true}, todo, out, options, cancelled);
  };
  solve(Stage::finish, jobs, outcomes);
  // Replicates that did not settle from the warm start go the long way round.
  std::vector<Job> retry;
  std::vector<Outcome> retried;
  std::vector<size_t> index;
  std::vector<double> reached(result.values.size());
  for (size_t k = 0; k < jobs.size(); ++k) {
    const Status s = outcomes[k].status;
    if (s == Status::converged || s == Status::converged_at_bound || s == Status::cancelled) continue;
    retry.push_back(jobs[k]);
    retried.push_back(outcomes[k]);
    index.push_back(k);
  }
  if (!retry.empty()) {
    solve(Stage::far, retry, retried);
    for (size_t i = 0; i < retry.size(); ++i) {
      std::copy_n(retried[i].parameters, p, &reached[index[i] * p]);
      retry[i].start = &reached[index[i] * p];
      retry[i].relax = first_scale(request.objective.loss, request.objective.scale, std::isfinite(retried[i].spread) ? retried[i].spread : 0, relax * 1e-6);
    }
    solve(Stage::finish, retry, retried);
    for (size_t i = 0; i < retry.size(); ++i) outcomes[index[i]] = retried[i];
  }
  for (size_t k = 0; k < jobs.size(); ++k) {
    const int64_t r = drawn[k];
    result.objective[r] = has_kink(request.objective.loss) ? rows.objective(outcomes[k].parameters, 0, n, jobs[k].weight) : outcomes[k].objective;
    result.status[r] = static_cast<int8_t>(outcomes[k].status);
  }
  return result;
}

}  // namespace lawfit
