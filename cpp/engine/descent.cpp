#include "descent.hpp"

#include <algorithm>
#include <cmath>

namespace lawfit {

double typical_size(const TableData& table, int64_t begin, int64_t count) {
  double sum = 0;
  int64_t n = 0;
  for (int64_t r = begin; r < begin + count; ++r)
    if (const double t = table.target[r] * (table.inverse_sigma.empty() ? 1 : table.inverse_sigma[r]); std::isfinite(t)) {
      sum += t * t;
      ++n;
    }
  return n && sum > 0 ? std::sqrt(sum / static_cast<double>(n)) : 1;
}

void Descent::run(const std::vector<RowRange>& ranges, std::vector<double> starts, const std::vector<const double*>& given) {
  const size_t n = ranges.size();
  starts_ = std::move(starts);
  parameters_ = starts_;
  active_.assign(n * p_, 0);
  jobs_.resize(n);
  outcomes_.resize(n);
  sizes_.resize(n);
  for (size_t k = 0; k < n; ++k) {
    sizes_[k] = ranges[k].size;
    jobs_[k] = {ranges[k].begin, ranges[k].count, nullptr, &starts_[k * p_], 0, 2e-15 * ranges[k].size};
    outcomes_[k] = {&parameters_[k * p_], &active_[k * p_], infinity, infinity, 0, 0, Status::cancelled, false};
  }
  far(problem_, jobs_, outcomes_, sizes_);
  finish(jobs_, outcomes_, sizes_);
  if (!given.empty()) {
    retry(given, [&](std::vector<Job>& jobs, std::vector<Outcome>& outcomes, const std::vector<double>& sizes) {
      Problem logarithmic = problem_;   // a far phase in the logarithms of all parameters
      for (int k = 0; k < p_; ++k) logarithmic.log_metric[k] = !(problem_.typical[k] > 0);
      far(logarithmic, jobs, outcomes, sizes);
      finish(jobs, outcomes, sizes);
    });
    retry(given, [&](std::vector<Job>& jobs, std::vector<Outcome>& outcomes, const std::vector<double>&) {
      for (Job& job : jobs) job.cautious = true;   // short steps from the start itself
      run_stage({&problem_, &table_, Stage::finish, false}, jobs, outcomes, options_, cancelled_);
    });
  }
  exact_objectives();
}

void Descent::far(const Problem& problem, std::vector<Job>& jobs, std::vector<Outcome>& outcomes, const std::vector<double>& sizes) {
  // Far from an optimum a kink needs no sharpness: a hundredth of the data's size will do.
  for (size_t k = 0; k < jobs.size(); ++k) jobs[k].relax = has_kink(problem.loss) ? 1e-2 * sizes[k] : 0;
  run_stage({&problem, &table_, Stage::far, false}, jobs, outcomes, options_, cancelled_);
}

// Goes on from where the far phase left each outcome.
void Descent::finish(std::vector<Job>& jobs, std::vector<Outcome>& outcomes, const std::vector<double>& sizes) {
  std::vector<int64_t> todo;
  for (size_t k = 0; k < jobs.size(); ++k)
    if (!outcomes[k].settled && outcomes[k].status == Status::converged) todo.push_back(static_cast<int64_t>(k));
  if (todo.empty()) return;
  std::vector<double> reached(todo.size() * p_);
  std::vector<char> moved(todo.size());
  for (size_t i = 0; i < todo.size(); ++i) {
    Job& job = jobs[todo[i]];
    const Outcome& far = outcomes[todo[i]];
    job.relax = first_scale(problem_.loss, problem_.scale, std::isfinite(far.spread) ? far.spread : 0, 1e-13 * sizes[todo[i]]);
    std::copy_n(far.parameters, p_, &reached[i * p_]);
    job.start = &reached[i * p_];
    moved[i] = far.moved;
    outcomes[todo[i]].status = Status::cancelled;   // until it is reached
  }
  run_stage({&problem_, &table_, Stage::finish, false}, jobs, outcomes, todo, options_, cancelled_);
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
      outcomes_[k].objective = rows_.objective(outcomes_[k].parameters, jobs_[k].begin, jobs_[k].count, nullptr);
}

}  // namespace lawfit
