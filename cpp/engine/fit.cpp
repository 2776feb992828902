#include "fit.hpp"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <memory>

#include "covariance.hpp"
#include "stages.hpp"
#include "starts.hpp"

namespace lawfit {

namespace {
constexpr double kSameBasin = 1e-6;        // relative objective within which two starts agree
constexpr double kTie = 1e-9;              // relative objective below which the earlier start wins
constexpr double kFlatGradient = 1e-6;     // scale-free gradient of a start that need not move

double steady_seconds() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

double typical_size(const TableData& table, int64_t begin, int64_t count) {
  double sum = 0;
  int64_t n = 0;
  for (int64_t r = begin; r < begin + count; ++r)
    if (const double t = table.target[r]; std::isfinite(t)) { sum += t * t; ++n; }
  return n && sum > 0 ? std::sqrt(sum / static_cast<double>(n)) : 1;
}

// Weights under which linear residuals approximate those of the real space.
std::vector<double> linearised_sigma(const FitRequest& request) {
  const TableView& t = request.table;
  if (request.objective.space == Space::linear)
    return t.sigma ? std::vector<double>(t.sigma, t.sigma + t.rows) : std::vector<double>();
  std::vector<double> sigma(t.rows);
  for (int64_t r = 0; r < t.rows; ++r) {
    const double y = std::fabs(t.y[r]), slope = request.objective.space == Space::logit ? y * (1 - y) : y;
    sigma[r] = (t.sigma ? t.sigma[r] : 1) * slope;
  }
  return sigma;
}

int64_t longest_group(const FitRequest& request) {
  int64_t longest = 1;
  for (int64_t g = 0; g < request.groups; ++g) longest = std::max(longest, request.offsets[g + 1] - request.offsets[g]);
  return longest;
}

class FitCall {
 public:
  FitCall(const CompiledLaw& law, const FitRequest& request, const FitOptions& options)
      : law_(law), request_(request), options_(options), p_(law.centred.parameters),
        problem_(make_problem(law, request.objective, request.lower, request.upper)),
        table_(prepare_table(law.centred, request.table.columns, request.table.y, request.table.weight, request.table.sigma,
                             request.table.rows, request.objective.space)),
        rows_(law, request.table, request.objective, longest_group(request)) {
    if (options.max_seconds > 0) options_.limits.deadline = steady_seconds() + options.max_seconds;
  }

  FitTable run() {
    prepare_result();
    make_starts();
    size_t k = 0;
    // Far from an optimum a kink needs no sharpness: a hundredth of the data's size will do.
    for (int64_t g = 0; g < request_.groups; ++g) {
      if (!usable(g)) continue;
      const double kink = has_kink(request_.objective.loss) ? 1e-2 * typical_size(table_, begin(g), count(g)) : 0;
      for (int64_t s = 0; s < starts_; ++s, ++k) jobs_.push_back({begin(g), count(g), nullptr, start(g, s), kink});
    }
    parameters_.resize(jobs_.size() * p_);
    active_.resize(jobs_.size() * p_);
    outcomes_.resize(jobs_.size());
    for (k = 0; k < jobs_.size(); ++k) outcomes_[k] = {&parameters_[k * p_], &active_[k * p_], infinity, infinity, 0, 0, Status::cancelled, false};
    for (k = 0; k < jobs_.size(); ++k) std::copy_n(jobs_[k].start, p_, outcomes_[k].parameters);
    run_stage({&problem_, &table_, Stage::far, false}, jobs_, outcomes_, options_, cancelled_);
    finish();
    exact_objectives();
    reduce();
    return std::move(result_);
  }

 private:
  int64_t begin(int64_t g) const { return request_.offsets[g]; }
  int64_t count(int64_t g) const { return request_.offsets[g + 1] - request_.offsets[g]; }
  bool usable(int64_t g) const { return count(g) >= std::max<int64_t>(p_, 1) && informative(g) >= p_; }
  const double* start(int64_t g, int64_t s) const { return &start_values_[(g * starts_ + s) * p_]; }
  int64_t informative(int64_t g) const {
    if (table_.weight.empty()) return count(g);
    int64_t n = 0;
    for (int64_t r = begin(g); r < begin(g) + count(g); ++r) n += table_.weight[r] > 0;
    return n;
  }

  void prepare_result() {
    const size_t groups = static_cast<size_t>(request_.groups);
    result_.parameters = p_;
    result_.groups = request_.groups;
    result_.values.assign(groups * p_, not_a_number);
    for (auto* v : {&result_.objective, &result_.gradient_norm, &result_.best_share, &result_.second_objective}) v->assign(groups, not_a_number);
    result_.status.assign(groups, static_cast<int8_t>(Status::too_few_points));
    result_.active.assign(groups * p_, 0);
    for (auto* v : {&result_.iterations, &result_.n_starts, &result_.n_converged}) v->assign(groups, 0);
    result_.moved.assign(groups, 0);
    result_.tradeoff.assign(groups * p_ * p_, 0);
  }

  void make_starts() {
    const ObjectiveSpec& o = request_.objective;
    const std::vector<double> sigma = linearised_sigma(request_);
    const TableData linear_table = prepare_table(law_.centred, request_.table.columns, request_.table.y, request_.table.weight,
                                                 sigma.empty() ? nullptr : sigma.data(), request_.table.rows, Space::linear);
    const Loss screening = has_kink(o.loss) ? Loss::absolute : o.loss;
    const bool weighted = !table_.weight.empty() || longest_group(request_) >= kPointsLayout || ragged();
    std::unique_ptr<Evaluator> linear, real;
    std::unique_ptr<StartMaker> maker;
    StartPlan plan;
    starts_ = request_.starts ? request_.given : 0;
    int64_t made_for = -1;
    for (int64_t g = 0; g < request_.groups; ++g) {
      // What is done for one group depends on that group alone; a maker serves groups of one length.
      if (const int64_t n = std::max<int64_t>(count(g), 1); n != made_for) {
        plan = plan_starts(law_.graph, law_.analysis, law_.centred, request_.lower, request_.upper, request_.guess, o.space, n, request_.asked);
        linear = std::make_unique<Evaluator>(law_.centred, Space::linear, Loss::squared, n, weighted, !linear_table.inverse_sigma.empty(), layout_for(n));
        real = std::make_unique<Evaluator>(law_.centred, o.space, screening, n, weighted, !table_.inverse_sigma.empty(), layout_for(n));
        maker = std::make_unique<StartMaker>(plan, law_.exponential_target, law_.analysis.centring, *linear, *real,
                                             has_kink(o.loss) ? 1e-300 : o.scale, o.quantile);
        made_for = n;
      }
      if (g == 0) {
        if (!request_.starts) starts_ = plan.chosen;
        start_values_.assign(request_.groups * starts_ * p_, 0.0);
      }
      double* values = &start_values_[g * starts_ * p_];
      if (request_.starts) std::copy_n(request_.starts + (request_.starts_per_group ? g * starts_ * p_ : 0), starts_ * p_, values);
      if (!usable(g) || cancelled_) continue;
      if (request_.starts) maker->project(linear_table, table_, begin(g), count(g), starts_, values);
      else maker->make(linear_table, table_, begin(g), count(g), options_.seed, values);
      if (options_.poll && g % 64 == 63 && !options_.poll(0, request_.groups)) cancelled_ = true;
    }
  }
  bool ragged() const {
    for (int64_t g = 1; g < request_.groups; ++g) if (count(g) != count(0)) return true;
    return false;
  }

  void finish() {
    for (size_t k = 0; k < jobs_.size(); ++k) {
      const double smallest = 1e-13 * typical_size(table_, jobs_[k].begin, jobs_[k].count);
      jobs_[k].relax = first_scale(request_.objective.loss, request_.objective.scale,
                                   std::isfinite(outcomes_[k].spread) ? outcomes_[k].spread : 0, smallest);
    }
    far_moved_.resize(jobs_.size());
    far_values_ = parameters_;
    std::vector<Job> again;
    std::vector<size_t> index;
    for (size_t k = 0; k < jobs_.size(); ++k) {
      far_moved_[k] = outcomes_[k].moved;
      if (outcomes_[k].status != Status::converged) continue;
      again.push_back(jobs_[k]);
      again.back().start = &far_values_[k * p_];
      index.push_back(k);
    }
    std::vector<Outcome> results;
    for (size_t k : index) results.push_back(outcomes_[k]);
    run_stage({&problem_, &table_, Stage::finish, false}, again, results, options_, cancelled_);
    for (size_t i = 0; i < index.size(); ++i) {
      outcomes_[index[i]] = results[i];
      outcomes_[index[i]].moved = results[i].moved || far_moved_[index[i]];
    }
    if (request_.starts) retry_given();
  }

  // A given start that was lost is tried again: through a far phase in the logarithms of all
  // parameters, then from where it was given in short steps.
  void retry_given() {
    Problem logarithmic = problem_;
    for (int k = 0; k < p_; ++k) logarithmic.log_metric[k] = !(problem_.typical[k] > 0);
    retry([&](std::vector<Job>& jobs, std::vector<Outcome>& results) {
      std::vector<double> reached(jobs.size() * p_);
      run_stage({&logarithmic, &table_, Stage::far, false}, jobs, results, options_, cancelled_);
      for (size_t i = 0; i < jobs.size(); ++i) {
        std::copy_n(results[i].parameters, p_, &reached[i * p_]);
        jobs[i].start = &reached[i * p_];
      }
      run_stage({&problem_, &table_, Stage::finish, false}, jobs, results, options_, cancelled_);
    });
    retry([&](std::vector<Job>& jobs, std::vector<Outcome>& results) {
      for (Job& job : jobs) job.cautious = true;
      run_stage({&problem_, &table_, Stage::finish, false}, jobs, results, options_, cancelled_);
    });
  }

  template <class Attempt> void retry(const Attempt& attempt) {
    std::vector<Job> again;
    std::vector<Outcome> results;
    std::vector<size_t> index;
    for (size_t k = 0; k < jobs_.size(); ++k) {
      const Status s = outcomes_[k].status;
      if (fitted(s) || s == Status::cancelled || s == Status::time_limit) continue;
      again.push_back(jobs_[k]);
      again.back().start = given_start(static_cast<int64_t>(k));
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
      const bool lower = results[i].objective < before.objective * (1 - kSameBasin) || !std::isfinite(before.objective);
      const bool better = lower || (fitted(results[i].status) && results[i].objective <= before.objective * (1 + kSameBasin));
      if (!better || !std::isfinite(results[i].objective)) continue;
      std::copy_n(results[i].parameters, p_, before.parameters);
      std::copy_n(results[i].active, p_, before.active);
      results[i].parameters = before.parameters;
      results[i].active = before.active;
      before = results[i];
    }
  }
  // Job k's start as the caller gave it, before any projection.
  const double* given_start(int64_t k) const {
    if (!request_.starts_per_group) return request_.starts + k % starts_ * p_;
    int64_t usable_seen = 0;
    for (int64_t g = 0; g < request_.groups; ++g)
      if (usable(g) && usable_seen++ == k / starts_) return request_.starts + (g * starts_ + k % starts_) * p_;
    return request_.starts;
  }

  // The finish works with smoothed kinks; what is reported is the loss itself.
  void exact_objectives() {
    if (!has_kink(request_.objective.loss)) return;
    for (size_t k = 0; k < jobs_.size(); ++k)
      if (std::isfinite(outcomes_[k].objective))
        outcomes_[k].objective = rows_.objective(outcomes_[k].parameters, jobs_[k].begin, jobs_[k].count, nullptr);
  }

  static bool fitted(Status s) { return s == Status::converged || s == Status::converged_at_bound; }

  void reduce() {
    size_t k = 0;
    result_.starts = starts_;
    result_.start_values = start_values_;
    result_.start_objective.assign(request_.groups * starts_, not_a_number);
    result_.start_status.assign(request_.groups * starts_, static_cast<int8_t>(Status::too_few_points));
    for (int64_t g = 0; g < request_.groups; ++g) {
      if (!usable(g)) continue;
      reduce_group(g, k);
      k += starts_;
    }
  }

  void reduce_group(int64_t g, size_t first) {
    size_t best = first;
    double lowest = infinity;
    auto objective = [&](size_t k) { return std::isfinite(outcomes_[k].objective) ? outcomes_[k].objective : infinity; };
    for (size_t k = first; k < first + starts_; ++k) lowest = std::min(lowest, objective(k));
    for (size_t k = first + starts_; k-- > first;) {
      if (objective(k) > lowest * (1 + kTie)) continue;
      if (fitted(outcomes_[k].status) || !fitted(outcomes_[best].status) || objective(best) > lowest * (1 + kTie)) best = k;
    }
    const Outcome& o = outcomes_[best];
    std::copy_n(o.parameters, p_, &result_.values[g * p_]);
    std::copy_n(o.active, p_, &result_.active[g * p_]);
    result_.objective[g] = o.objective;
    result_.gradient_norm[g] = o.gradient_norm;
    int32_t in_basin = 0, converged = 0, iterations = 0;
    double second = infinity;
    const double size = typical_size(table_, begin(g), count(g)), floor = 1e-28 * size * size * static_cast<double>(count(g));
    for (size_t k = first; k < first + starts_; ++k) {
      const size_t s = static_cast<size_t>(g * starts_) + (k - first);
      std::copy_n(outcomes_[k].parameters, p_, &result_.start_values[s * p_]);
      result_.start_objective[s] = outcomes_[k].objective;
      const Status own = outcomes_[k].status;
      result_.start_status[s] = static_cast<int8_t>(own == Status::cancelled && !cancelled_ ? Status::time_limit : own);
      iterations += outcomes_[k].iterations;
      converged += fitted(outcomes_[k].status);
      if (objective(k) <= lowest * (1 + kSameBasin) + floor) ++in_basin;
      else second = std::min(second, objective(k));
    }
    result_.iterations[g] = iterations;
    result_.n_starts[g] = static_cast<int32_t>(starts_);
    result_.n_converged[g] = converged;
    result_.best_share[g] = starts_ ? static_cast<double>(in_basin) / static_cast<double>(starts_) : 0;
    result_.second_objective[g] = std::isfinite(second) ? second : not_a_number;
    result_.moved[g] = o.moved;
    Status status = o.status;
    if (!std::isfinite(o.objective) && status == Status::converged) status = Status::not_finite;
    if (status == Status::cancelled && !cancelled_) status = Status::time_limit;   // never reached before the deadline
    if (status == Status::stalled && !o.moved && o.gradient_norm > kFlatGradient) status = Status::did_not_move;
    if (fitted(status) || status == Status::stalled || status == Status::iteration_limit) {
      const bool lacking = find_tradeoffs(rows_, o.parameters, o.active, p_, begin(g), count(g), &result_.tradeoff[g * p_ * p_]);
      if (lacking) status = Status::not_identified;
    }
    result_.status[g] = static_cast<int8_t>(status);
  }

  const CompiledLaw& law_;
  const FitRequest& request_;
  FitOptions options_;
  const int p_;
  Problem problem_;
  TableData table_;
  RowModel rows_;
  FitTable result_;
  int64_t starts_ = 0;
  std::vector<double> start_values_, parameters_, far_values_;
  std::vector<int8_t> active_;
  std::vector<uint8_t> far_moved_;
  std::vector<Job> jobs_;
  std::vector<Outcome> outcomes_;
  std::atomic<bool> cancelled_{false};
};

}  // namespace

FitTable fit(const CompiledLaw& law, const FitRequest& request, const FitOptions& options) {
  return FitCall(law, request, options).run();
}

}  // namespace lawfit
