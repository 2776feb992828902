#include "descent.hpp"

#include <algorithm>
#include <cmath>

#include "basin.hpp"
#include "random.hpp"

namespace lawfit {

namespace {
constexpr size_t kLeaders = 2;        // of a group's starts that finish in one round of a race
constexpr int kLegIterations = 10, kLegs = 2;   // of the far phase between two looks at a race
constexpr size_t kManyStarts = 100;   // per field, from which they race: few are followed one by one
constexpr uint32_t kWitnessEvery = 50;
constexpr double kBehind = 2;         // times the optimum's objective
}  // namespace

double typical_size(const TableData& table, int64_t begin, int64_t count) {
  double sum = 0, n = 0;
  const double *target = table.target.data() + begin, *inverse = table.inverse_sigma.empty() ? nullptr : table.inverse_sigma.data() + begin;
  for (int64_t r = 0; r < count; ++r) {
    const double t = inverse ? target[r] * inverse[r] : target[r];
    const bool finite = t - t == 0;
    sum += finite ? t * t : 0;
    n += finite ? 1 : 0;
  }
  return n > 0 && sum > 0 ? std::sqrt(sum / n) : 1;
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
    jobs_[k] = {ranges[k].begin, ranges[k].count, nullptr, &starts_[k * p_], 0, kSharpest * ranges[k].size};
    outcomes_[k] = {&parameters_[k * p_], &active_[k * p_], infinity, infinity, 0, 0, Status::cancelled, false};
  }
  std::vector<Field> fields;
  if (!options_.keep_starts && !has_kink(problem_.loss)) fields = all_fields();
  if (!fields.empty() && n >= kManyStarts * fields.size()) {
    race(fields);
    disprove(fields);
  } else {
    far(problem_, jobs_, outcomes_, sizes_);
    finish(jobs_, outcomes_, sizes_);
  }
  if (!given.empty()) {
    retry(given, [&](std::vector<Job>& jobs, std::vector<Outcome>& outcomes, const std::vector<double>& sizes) {
      Problem logarithmic = problem_;   // a far phase in the logarithms of all parameters
      for (int k = 0; k < p_; ++k) logarithmic.log_metric[k] = !(problem_.typical[k] > 0);
      far(logarithmic, jobs, outcomes, sizes);
      finish(jobs, outcomes, sizes);
    });
    retry(given, [&](std::vector<Job>& jobs, std::vector<Outcome>& outcomes, const std::vector<double>&) {
      for (Job& job : jobs) job.cautious = true;   // short steps from the start itself
      run_stage({&problem_, &table_, Stage::finish, own_weights_}, jobs, outcomes, options_, cancelled_);
    });
  }
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
    finish(again, outcomes, sizes);
  });
  exact_objectives();
}

void Descent::far_from_starts(const FitOptions& options) {
  for (size_t k = 0; k < jobs_.size(); ++k) jobs_[k].relax = far_scale(sizes_[k]);
  run_stage({&problem_, &table_, Stage::far, own_weights_}, jobs_, outcomes_, options, cancelled_);
}

// Far from an optimum a kink needs no sharpness: a hundredth of the data's size will do.
double Descent::far_scale(double size) const { return has_kink(problem_.loss) ? 1e-2 * size : 0; }

void Descent::far(const Problem& problem, std::vector<Job>& jobs, std::vector<Outcome>& outcomes, const std::vector<double>& sizes) {
  for (size_t k = 0; k < jobs.size(); ++k) jobs[k].relax = far_scale(sizes[k]);
  run_stage({&problem, &table_, Stage::far, own_weights_}, jobs, outcomes, options_, cancelled_);
}

namespace {
bool cut_short(const Outcome& o) { return !o.settled && o.status == Status::iteration_limit; }
bool unfinished(const Outcome& o) { return cut_short(o) || (!o.settled && o.status == Status::converged); }
}  // namespace

void Descent::finish(std::vector<Job>& jobs, std::vector<Outcome>& outcomes, const std::vector<double>& sizes) {
  std::vector<int64_t> todo;
  for (size_t k = 0; k < jobs.size(); ++k) if (unfinished(outcomes[k])) todo.push_back(static_cast<int64_t>(k));
  finish(jobs, outcomes, sizes, todo);
}

// Goes on from where the far phase left each outcome.
void Descent::finish(std::vector<Job>& jobs, std::vector<Outcome>& outcomes, const std::vector<double>& sizes, const std::vector<int64_t>& todo) {
  for (int64_t k : todo)
    jobs[k].relax = first_scale(problem_.loss, problem_.scale, std::isfinite(outcomes[k].spread) ? outcomes[k].spread : 0, 1e-13 * sizes[k]);
  go_on(Stage::finish, jobs, outcomes, todo, options_);
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

std::vector<Descent::Field> Descent::all_fields() const {
  std::vector<Field> fields;
  for (int64_t k = 0; k < static_cast<int64_t>(jobs_.size()); ++k) {
    const bool same = k > 0 && jobs_[k].begin == jobs_[k - 1].begin && jobs_[k].count == jobs_[k - 1].count;
    if (!same) fields.push_back({k, k, -1, {}});
    fields.back().last = k;
    fields.back().left.push_back(k);
  }
  return fields;
}

// The first part of the far phase goes in legs. After each, the lowest of a field go all the way, and
// what turns out to be in the basin they found ends there; what is left goes on by itself.
void Descent::race(std::vector<Field>& fields) {
  FitOptions leg = options_;
  leg.limits.far_iterations = std::min(kLegIterations, options_.limits.far_iterations);
  far_from_starts(leg);
  for (int k = 1; !cancelled_; ++k) {
    follow(leaders(fields, k == 1));
    absorb(fields);
    if (k == kLegs) stop_behind(fields);
    std::vector<int64_t> on;
    for (const Field& field : fields) for (int64_t j : field.left) if (cut_short(outcomes_[j])) on.push_back(j);
    if (on.empty()) break;
    go_on(Stage::far, jobs_, outcomes_, on, k < kLegs ? leg : options_);
    if (k == kLegs) break;
  }
  absorb(fields);
  finish(jobs_, outcomes_, sizes_);
}

// Those that are still far above the optimum found are given up.
void Descent::stop_behind(std::vector<Field>& fields) {
  for (Field& field : fields) {
    if (field.best < 0) continue;
    for (int64_t k : field.left)
      if (!witness(k - field.first) && outcomes_[k].objective > kBehind * outcomes_[field.best].objective) outcomes_[k].status = Status::cancelled;
    still_left(field);
  }
}

// Some starts, picked at random, go all the way whatever the race says of them.
bool Descent::witness(int64_t start) const { return Philox(options_.seed, 0x317E55u).block(static_cast<uint64_t>(start))[0] % kWitnessEvery == 0; }

// Where one of them ends lower than what the race found, the race was wrong: every start is followed.
void Descent::disprove(const std::vector<Field>& fields) {
  std::vector<int64_t> again;
  for (const Field& field : fields) {
    if (field.best < 0) continue;
    bool lower = false;
    for (int64_t k = field.first; k <= field.last; ++k)
      lower |= witness(k - field.first) && outcomes_[k].objective < outcomes_[field.best].objective * (1 - kSameBasin);
    for (int64_t k = field.first; lower && k <= field.last; ++k) again.push_back(k);
  }
  if (again.empty() || cancelled_) return;
  for (int64_t k : again) {
    jobs_[k].start = &starts_[k * p_];
    jobs_[k].relax = far_scale(sizes_[k]);
    outcomes_[k].status = Status::cancelled;
    outcomes_[k].settled = outcomes_[k].moved = false;
  }
  run_stage({&problem_, &table_, Stage::far, own_weights_}, jobs_, outcomes_, again, options_, cancelled_);
  std::vector<int64_t> near;
  for (int64_t k : again) if (unfinished(outcomes_[k])) near.push_back(k);
  finish(jobs_, outcomes_, sizes_, near);
}

// Takes these all the way.
void Descent::follow(const std::vector<int64_t>& ahead) {
  std::vector<int64_t> far;
  for (int64_t k : ahead) if (cut_short(outcomes_[k])) far.push_back(k);
  go_on(Stage::far, jobs_, outcomes_, far, options_);
  std::vector<int64_t> near;
  for (int64_t k : ahead) if (unfinished(outcomes_[k])) near.push_back(k);
  finish(jobs_, outcomes_, sizes_, near);
}

// At first the lowest of every field, later those that are lower than its optimum.
std::vector<int64_t> Descent::leaders(const std::vector<Field>& fields, bool first) const {
  std::vector<int64_t> all, sorted;
  for (const Field& field : fields) {
    sorted = field.left;
    const auto lower = [&](int64_t a, int64_t b) { return std::pair{outcomes_[a].objective, a} < std::pair{outcomes_[b].objective, b}; };
    const auto ahead = sorted.begin() + static_cast<int64_t>(std::min<size_t>(kLeaders, sorted.size()));
    std::partial_sort(sorted.begin(), ahead, sorted.end(), lower);
    for (auto k = sorted.begin(); k != ahead; ++k)
      if (unfinished(outcomes_[*k]) && (first || field.best < 0 || outcomes_[*k].objective < outcomes_[field.best].objective)) all.push_back(*k);
  }
  return all;
}

void Descent::still_left(Field& field) const {
  const auto ended = [&](int64_t k) { return !unfinished(outcomes_[k]); };
  field.left.erase(std::remove_if(field.left.begin(), field.left.end(), ended), field.left.end());
}

// Starts in the basin of the lowest optimum of their field end there.
void Descent::absorb(std::vector<Field>& fields) {
  std::vector<const double*> starts;
  std::vector<char> inside;
  std::unique_ptr<BasinTest> test;
  int64_t made_for = -1;
  std::vector<int64_t> tested;
  for (Field& field : fields) {
    still_left(field);
    int64_t& best = field.best;
    for (int64_t k = field.first; k <= field.last; ++k)
      if (fitted(outcomes_[k].status) && !unfinished(outcomes_[k]) && (best < 0 || outcomes_[k].objective < outcomes_[best].objective)) best = k;
    if (field.left.empty() || best < 0) continue;
    starts.clear();
    tested.clear();
    for (int64_t k : field.left) if (!witness(k - field.first)) {
      starts.push_back(outcomes_[k].parameters);
      tested.push_back(k);
    }
    if (tested.empty()) continue;
    const int64_t rows = jobs_[best].count;
    if (!test || made_for != rows) test = std::make_unique<BasinTest>(problem_, table_, made_for = rows);
    test->inside(jobs_[best].begin, rows, outcomes_[best].parameters, starts, inside);
    const Outcome found = outcomes_[best];
    for (size_t i = 0; i < inside.size(); ++i) {
      if (!inside[i]) continue;
      Outcome& o = outcomes_[tested[i]];
      std::copy_n(found.parameters, p_, o.parameters);
      std::copy_n(found.active, p_, o.active);
      o = {o.parameters, o.active, found.objective, found.gradient_norm, found.spread, o.iterations, found.status, true, true, found.inverse_trace};
    }
    still_left(field);
  }
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
      outcomes_[k].objective = rows_.objective(outcomes_[k].parameters, {jobs_[k].begin, jobs_[k].count, jobs_[k].weight, jobs_[k].target});
}

}  // namespace lawfit
