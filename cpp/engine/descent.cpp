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
  jobs_.clear();
  outcomes_.clear();
  for (size_t k = 0; k < n; ++k) {
    jobs_.push_back({ranges[k].begin, ranges[k].count, nullptr, &starts_[k * p_], 0});
    jobs_.back().sharpest = 2e-15 * typical_size(table_, ranges[k].begin, ranges[k].count);
    outcomes_.push_back({&parameters_[k * p_], &active_[k * p_], infinity, infinity, 0, 0, Status::cancelled, false});
  }
  far(problem_, jobs_, outcomes_);
  finish(jobs_, outcomes_);
  if (!given.empty()) {
    retry(given, [&](std::vector<Job>& jobs, std::vector<Outcome>& outcomes) {
      Problem logarithmic = problem_;   // a far phase in the logarithms of all parameters
      for (int k = 0; k < p_; ++k) logarithmic.log_metric[k] = !(problem_.typical[k] > 0);
      far(logarithmic, jobs, outcomes);
      finish(jobs, outcomes);
    });
    retry(given, [&](std::vector<Job>& jobs, std::vector<Outcome>& outcomes) {
      for (Job& job : jobs) job.cautious = true;   // short steps from the start itself
      run_stage({&problem_, &table_, Stage::finish, false}, jobs, outcomes, options_, cancelled_);
    });
  }
  exact_objectives();
}

void Descent::far(const Problem& problem, std::vector<Job>& jobs, std::vector<Outcome>& outcomes) {
  // Far from an optimum a kink needs no sharpness: a hundredth of the data's size will do.
  for (Job& job : jobs) job.relax = has_kink(problem.loss) ? 1e-2 * typical_size(table_, job.begin, job.count) : 0;
  run_stage({&problem, &table_, Stage::far, false}, jobs, outcomes, options_, cancelled_);
}

// Goes on from where the far phase left each outcome.
void Descent::finish(std::vector<Job>& jobs, std::vector<Outcome>& outcomes) {
  std::vector<Job> again;
  std::vector<Outcome> results;
  std::vector<size_t> index;
  std::vector<double> reached(outcomes.size() * p_);
  for (size_t k = 0; k < jobs.size(); ++k) {
    const double smallest = 1e-13 * typical_size(table_, jobs[k].begin, jobs[k].count);
    jobs[k].relax = first_scale(problem_.loss, problem_.scale, std::isfinite(outcomes[k].spread) ? outcomes[k].spread : 0, smallest);
    if (outcomes[k].status != Status::converged) continue;
    std::copy_n(outcomes[k].parameters, p_, &reached[k * p_]);
    again.push_back(jobs[k]);
    again.back().start = &reached[k * p_];
    results.push_back(outcomes[k]);
    index.push_back(k);
  }
  run_stage({&problem_, &table_, Stage::finish, false}, again, results, options_, cancelled_);
  for (size_t i = 0; i < index.size(); ++i) {
    const bool moved = outcomes[index[i]].moved || results[i].moved;
    outcomes[index[i]] = results[i];
    outcomes[index[i]].moved = moved;
  }
}

template <class Attempt> void Descent::retry(const std::vector<const double*>& given, const Attempt& attempt) {
  std::vector<Job> again;
  std::vector<Outcome> results;
  std::vector<size_t> index;
  for (size_t k = 0; k < jobs_.size(); ++k) {
    const Status s = outcomes_[k].status;
    if (fitted(s) || s == Status::cancelled || s == Status::time_limit) continue;
    again.push_back(jobs_[k]);
    again.back().start = given[k];
    results.push_back(outcomes_[k]);
    index.push_back(k);
  }
  if (again.empty() || cancelled_) return;
  std::vector<double> values(again.size() * p_);
  std::vector<int8_t> active(values.size());
  for (size_t i = 0; i < again.size(); ++i) {
    results[i].parameters = &values[i * p_];
    results[i].active = &active[i * p_];
    results[i].moved = false;
  }
  attempt(again, results);
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
