#include "stages.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "pool.hpp"

namespace lawfit {

namespace {
constexpr double kInlineWork = 5e4;       // rows x jobs below which threads cost more than they bring
constexpr int64_t kLanesPerWorker = 2 * W;
}  // namespace

TableData prepare_table(const CompiledLaw& law, const TableView& table, Space space) {
  return prepare_table(law.centred, table.columns, table.y, table.weight, table.sigma, table.rows, space);
}

Problem make_problem(const CompiledLaw& law, const ObjectiveSpec& objective, const std::vector<double>& lower,
                     const std::vector<double>& upper) {
  Problem problem{&law.centred, &law.analysis.centring, objective.space, objective.loss, objective.scale, objective.tail,
                  lower, upper, {}, {}, {}};
  for (size_t k = 0; k < lower.size(); ++k) {
    const ParameterRole& role = law.analysis.roles[k];
    const bool exponent = role.role == Role::exponent || role.role == Role::log_amplitude || role.role == Role::offset;
    const bool positive = lower[k] == 0 && upper[k] == INFINITY;
    // Amplitudes of a fitted logarithm are positive in practice; the finish lets them change sign.
    const bool amplitude = role.role == Role::linear && objective.space == Space::log && !(upper[k] < INFINITY);
    problem.log_metric.push_back(!exponent && (positive || amplitude));
    problem.typical.push_back(exponent ? 1.0 : 0.0);
    problem.linear.push_back(role.role == Role::linear);
  }
  problem.priors = law.priors;
  for (const Prior& prior : law.priors) if (prior.logarithmic) problem.linear[prior.parameter] = false;
  return problem;
}

void run_stage(const StageRun& run, const std::vector<Job>& jobs, std::vector<Outcome>& outcomes, std::vector<int64_t> order,
               const FitOptions& options, Cancellation& cancelled) {
  // Equal lengths side by side waste no lanes on padding; the last ones, beside idle lanes, should be short.
  const auto longer = [&](int64_t a, int64_t b) { return jobs[a].count > jobs[b].count; };
  if (!std::is_sorted(order.begin(), order.end(), longer)) std::stable_sort(order.begin(), order.end(), longer);
  const auto split = std::partition_point(order.begin(), order.end(), [&](int64_t k) { return layout_for(jobs[k].count) == Layout::points; });
  for (auto [first, last] : {std::pair{order.begin(), split}, std::pair{split, order.end()}}) {
    if (first == last) continue;
    const int64_t capacity = jobs[*first].count, shortest = jobs[*(last - 1)].count;
    const Layout layout = layout_for(shortest);
    const bool weighted = layout == Layout::points || shortest != capacity || run.own_weights || !run.table->weight.empty();
    JobQueue queue;
    queue.order = &*first;
    queue.end = last - first;
    int64_t work = 0;
    for (auto k = first; k != last; ++k) work += jobs[*k].count;
    const bool small = static_cast<double>(work) < kInlineWork;
    const int64_t useful = layout == Layout::points ? queue.end : (queue.end + kLanesPerWorker - 1) / kLanesPerWorker;
    const int workers = small ? 1 : static_cast<int>(std::clamp<int64_t>(useful, 1, options.threads));
    std::vector<std::unique_ptr<Solver>> solvers;
    for (int w = 0; w < workers; ++w)
      solvers.push_back(make_solver(*run.problem, run.stage, capacity, weighted, !run.table->inverse_sigma.empty(), layout));
    Limits limits = options.limits;
    limits.cancelled = &cancelled;
    run_workers(workers, [&](int w) { solvers[w]->run(*run.table, jobs.data(), outcomes.data(), queue, limits); },
                options.polls([&] { return queue.next.load(); }, queue.end), cancelled);
  }
}

void run_stage(const StageRun& run, const std::vector<Job>& jobs, std::vector<Outcome>& outcomes, const FitOptions& options,
               Cancellation& cancelled) {
  std::vector<int64_t> order(jobs.size());
  std::iota(order.begin(), order.end(), 0);
  run_stage(run, jobs, outcomes, std::move(order), options, cancelled);
}

}  // namespace lawfit
