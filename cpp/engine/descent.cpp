#include "descent.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace lawfit {

namespace {
constexpr double kNarrow = 1e-4;   // of the scale that kinks are smoothed with at first
}  // namespace

double typical_size(const TableData& table, int64_t begin, int64_t count) {
  constexpr int kSums = 4;   // side by side, or each addition would wait for the last
  double sums[kSums] = {}, finite[kSums] = {};
  const double *target = table.target.data() + begin, *inverse = table.inverse_sigma.empty() ? nullptr : table.inverse_sigma.data() + begin;
  auto add = [&](int k, int64_t r) {
    const double t = inverse ? target[r] * inverse[r] : target[r], none = t - t;
    sums[k] += none == 0 ? t * t : 0;
    finite[k] += none == 0 ? 1 : 0;
  };
  int64_t r = 0;
  for (; r + kSums <= count; r += kSums) for (int k = 0; k < kSums; ++k) add(k, r + k);
  for (; r < count; ++r) add(0, r);
  const double sum = (sums[0] + sums[1]) + (sums[2] + sums[3]), n = (finite[0] + finite[1]) + (finite[2] + finite[3]);
  return n > 0 && sum > 0 ? std::sqrt(sum / n) : 1;
}

// A job and an outcome for every start.
void Descent::begin(const std::vector<RowRange>& ranges, std::vector<double> starts) {
  const size_t n = ranges.size();
  starts_ = std::move(starts);
  parameters_ = starts_;
  active_.assign(n * p_, 0);
  jobs_.resize(n);
  outcomes_.resize(n);
  sizes_.resize(n);
  for (size_t k = 0; k < n; ++k) {
    sizes_[k] = ranges[k].size;
    jobs_[k] = {ranges[k].begin, ranges[k].count, nullptr, &starts_[k * p_], 0, kSharpest * ranges[k].size};
    jobs_[k].own = ranges[k].own;
    outcomes_[k] = {&parameters_[k * p_], &active_[k * p_], infinity, infinity, 0, 0, Status::cancelled, false};
  }
}

void Descent::run(const std::vector<RowRange>& ranges, std::vector<double> starts, const std::vector<const double*>& given) {
  begin(ranges, std::move(starts));
  const bool widens = problem_.leaps && problem_.loss == Loss::cauchy, narrows = problem_.leaps && has_kink(problem_.loss);
  for (size_t k = 0; k < jobs_.size(); ++k) {
    const bool second = k > 0 && same_rows(jobs_[k], jobs_[k - 1]) && !(jobs_[k - 1].widened || jobs_[k - 1].narrowed);   // of two
    jobs_[k].widened = widens && second;
    jobs_[k].narrowed = narrows && second;
  }
  const bool all_the_way = options_.keep_starts || has_kink(problem_.loss);
  if (!all_the_way && many_starts()) {
    std::vector<Field> fields = all_fields();
    race(fields);
    disprove(fields);
  } else {
    far(problem_, jobs_, outcomes_, sizes_);
    if (!all_the_way && problem_.leaps) finish_in_legs();
    else finish(jobs_, outcomes_, sizes_, options_);
  }
  if (!given.empty()) {
    retry(given, [&](std::vector<Job>& jobs, std::vector<Outcome>& outcomes, const std::vector<double>& sizes) {
      Problem logarithmic = problem_;   // a far phase in the logarithms of all parameters
      for (int k = 0; k < p_; ++k) logarithmic.log_metric[k] = !(problem_.typical[k] > 0);
      far(logarithmic, jobs, outcomes, sizes);
      finish(jobs, outcomes, sizes, options_);
    });
    retry(given, [&](std::vector<Job>& jobs, std::vector<Outcome>& outcomes, const std::vector<double>&) {
      for (Job& job : jobs) job.cautious = true;   // short steps from the start itself
      run_stage({&problem_, &table_, Stage::finish, own_weights_}, jobs, outcomes, options_, cancelled_);
    });
  }
  exact_objectives();
}

void Descent::settle(const std::vector<RowRange>& ranges, std::vector<double> starts) {
  begin(ranges, std::move(starts));
  std::vector<int64_t> all(jobs_.size());
  std::iota(all.begin(), all.end(), 0);
  for (int64_t k : all) {
    jobs_[k].narrowed = true;
    outcomes_[k].spread = spread_at_start(jobs_[k]);
  }
  finish(jobs_, outcomes_, sizes_, all, options_);
  exact_objectives();
}

void Descent::refit(std::vector<Job> jobs) {
  const size_t n = jobs.size();
  jobs_ = std::move(jobs);
  own_weights_ = std::any_of(jobs_.begin(), jobs_.end(), [](const Job& job) { return job.weight != nullptr; });
  parameters_.resize(n * p_);
  active_.assign(n * p_, 0);
  outcomes_.resize(n);
  sizes_.resize(n);
  std::vector<const double*> warm(n);
  for (size_t k = 0; k < n; ++k) {
    warm[k] = jobs_[k].start;
    std::copy_n(warm[k], p_, &parameters_[k * p_]);
    sizes_[k] = jobs_[k].sharpest / kSharpest;
    outcomes_[k] = {&parameters_[k * p_], &active_[k * p_], infinity, infinity, 0, 0, Status::cancelled, false};
  }
  run_stage({&problem_, &table_, Stage::finish, own_weights_}, jobs_, outcomes_, options_, cancelled_);
  retry(warm, [&](std::vector<Job>& again, std::vector<Outcome>& outcomes, const std::vector<double>& sizes) {
    far(problem_, again, outcomes, sizes);
    finish(again, outcomes, sizes, options_);
  });
  exact_objectives();
}

void Descent::far_from_starts(const FitOptions& options) {
  for (size_t k = 0; k < jobs_.size(); ++k) jobs_[k].relax = far_scale(sizes_[k]);
  run_stage({&problem_, &table_, Stage::far, own_weights_}, jobs_, outcomes_, options, cancelled_);
}

// Far from an optimum a kink needs no sharpness: a hundredth of the data's size will do.
double Descent::far_scale(double size) const { return has_kink(problem_.loss) ? 1e-2 * size : 0; }

// Typical size of a residual there; infinite or not a number where the start has no objective.
double Descent::spread_at_start(const Job& job) {
  const RowView range{job.begin, job.count, nullptr, nullptr, job.own};
  return rows_.typical_residual(range, rows_.objective(job.start, range));
}

// A narrow Huber loss is nearly one with a kink: automatic starts go by the residuals of the best of
// them, which comes first. A Cauchy loss forgets rows that start far out: from a wide scale, half of
// the starts find what most rows agree on; the others find what a few rows agree on.
double Descent::wide_scale(const Job& job) {
  const double scale = numbers_of(problem_, job).scale;
  const double spread = spread_at_start(job);
  if (!std::isfinite(spread)) return 0;
  return job.widened ? spread : first_scale(problem_.loss, scale, spread, 0);
}

void Descent::far(const Problem& problem, std::vector<Job>& jobs, std::vector<Outcome>& outcomes, const std::vector<double>& sizes) {
  const bool wide = problem.leaps && problem.loss == Loss::huber;
  for (size_t k = 0; k < jobs.size(); ++k) {
    if (jobs[k].widened) jobs[k].relax = wide_scale(jobs[k]);
    else if (!wide) jobs[k].relax = far_scale(sizes[k]);
    else jobs[k].relax = k > 0 && same_rows(jobs[k], jobs[k - 1]) ? jobs[k - 1].relax : wide_scale(jobs[k]);
  }
  run_stage({&problem, &table_, Stage::far, own_weights_}, jobs, outcomes, options_, cancelled_);
}

void Descent::finish(std::vector<Job>& jobs, std::vector<Outcome>& outcomes, const std::vector<double>& sizes, const FitOptions& options) {
  std::vector<int64_t> todo;
  for (size_t k = 0; k < jobs.size(); ++k) if (unfinished(outcomes[k])) todo.push_back(static_cast<int64_t>(k));
  finish(jobs, outcomes, sizes, todo, options);
}

// Goes on from where the far phase left each outcome.
void Descent::finish(std::vector<Job>& jobs, std::vector<Outcome>& outcomes, const std::vector<double>& sizes, const std::vector<int64_t>& todo,
                     const FitOptions& options) {
  for (int64_t k : todo) {
    const double spread = std::isfinite(outcomes[k].spread) ? outcomes[k].spread : 0;
    jobs[k].relax = jobs[k].widened ? spread : first_scale(problem_.loss, numbers_of(problem_, jobs[k]).scale, spread, 1e-13 * sizes[k]);
    if (jobs[k].narrowed) jobs[k].relax *= kNarrow;
  }
  go_on(Stage::finish, jobs, outcomes, todo, options);
}

// Runs a stage from where each outcome is.
void Descent::go_on(Stage stage, std::vector<Job>& jobs, std::vector<Outcome>& outcomes, const std::vector<int64_t>& todo, const FitOptions& options) {
  if (todo.empty()) return;
  std::vector<double> reached(todo.size() * p_);
  std::vector<char> moved(todo.size());
  for (size_t i = 0; i < todo.size(); ++i) {
    std::copy_n(outcomes[todo[i]].parameters, p_, &reached[i * p_]);
    jobs[todo[i]].start = &reached[i * p_];
    moved[i] = outcomes[todo[i]].moved;
    outcomes[todo[i]].status = Status::cancelled;   // until it is reached
  }
  run_stage({&problem_, &table_, stage, own_weights_}, jobs, outcomes, todo, options, cancelled_);
  for (size_t i = 0; i < todo.size(); ++i) outcomes[todo[i]].moved |= moved[i] != 0;
}

template <class Attempt> void Descent::retry(const std::vector<const double*>& given, const Attempt& attempt) {
  std::vector<size_t> index;
  for (size_t k = 0; k < jobs_.size(); ++k) {
    const Status s = outcomes_[k].status;
    if (!fitted(s) && s != Status::cancelled && s != Status::time_limit) index.push_back(k);
  }
  if (index.empty() || cancelled_) return;
  std::vector<Job> again(index.size());
  std::vector<Outcome> results(index.size());
  std::vector<double> values(index.size() * p_), sizes(index.size());
  std::vector<int8_t> active(values.size());
  for (size_t i = 0; i < index.size(); ++i) {
    again[i] = jobs_[index[i]];
    again[i].start = given[index[i]];
    sizes[i] = sizes_[index[i]];
    results[i] = {&values[i * p_], &active[i * p_], infinity, infinity, 0, outcomes_[index[i]].iterations, Status::cancelled, false};
  }
  attempt(again, results, sizes);
  for (size_t i = 0; i < index.size(); ++i) {
    Outcome& before = outcomes_[index[i]];
    const Outcome& now = results[i];
    const bool lower = now.objective < before.objective * (1 - kSameBasin) || !std::isfinite(before.objective);
    const bool better = lower || (fitted(now.status) && now.objective <= before.objective * (1 + kSameBasin));
    if (!better || !std::isfinite(now.objective)) continue;
    std::copy_n(now.parameters, p_, before.parameters);
    std::copy_n(now.active, p_, before.active);
    double* parameters = before.parameters;
    int8_t* bounds = before.active;
    before = now;
    before.parameters = parameters;
    before.active = bounds;
  }
}

// The finish works with smoothed kinks and relaxed scales; what is reported is the loss itself.
void Descent::exact_objectives() {
  if (problem_.loss == Loss::squared) return;
  for (size_t k = 0; k < jobs_.size(); ++k)
    if (std::isfinite(outcomes_[k].objective) && (has_kink(problem_.loss) || !fitted(outcomes_[k].status)))
      outcomes_[k].objective = rows_.objective(outcomes_[k].parameters, {jobs_[k].begin, jobs_[k].count, jobs_[k].weight, jobs_[k].target, jobs_[k].own});
}

}  // namespace lawfit
