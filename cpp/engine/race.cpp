// The race of many starts of one group. See descent.hpp.
#include <algorithm>

#include "basin.hpp"
#include "descent.hpp"
#include "pool.hpp"
#include "random.hpp"

namespace lawfit {

namespace {
constexpr size_t kLeaders = 2;        // of a group's starts that finish in one round of a race
constexpr int kLegIterations = 10, kLegs = 2;   // of the far phase between two looks at a race
constexpr uint32_t kWitnessEvery = 50;
constexpr double kBehind = 2;         // times the optimum's objective
constexpr double kPlainlyBehind = 1.2;   // the same where many rows say so
constexpr double kSlowlyBehind = 50;  // the same where the way is long: the loss bends sharply
constexpr int kFinishLeg = 100;       // iterations of the finish before starts far behind are given up
}  // namespace

bool Descent::continues_field(size_t k) const { return k > 0 && same_rows(jobs_[k], jobs_[k - 1]); }

bool Descent::many_starts() const {
  size_t fields = 0;
  for (size_t k = 0; k < jobs_.size(); ++k) fields += !continues_field(k);
  return fields > 0 && jobs_.size() >= kManyStarts * fields;
}

std::vector<Descent::Field> Descent::all_fields() const {
  std::vector<Field> fields;
  for (int64_t k = 0; k < static_cast<int64_t>(jobs_.size()); ++k) {
    if (!continues_field(k)) fields.push_back({k, k, -1, {}});
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
  finish(jobs_, outcomes_, sizes_, options_);
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

// A few starts all go to an optimum, but for those that after a while are still under way and far
// above what others of their group found.
void Descent::finish_in_legs() {
  FitOptions leg = options_;
  leg.limits.finish_iterations = std::min(kFinishLeg, options_.limits.finish_iterations);
  finish(jobs_, outcomes_, sizes_, leg);
  std::vector<int64_t> on;
  for (const Field& field : all_fields()) {
    const Job& job = jobs_[field.first];
    const bool long_table = job.count > kLongTable;
    double lowest = infinity;
    for (int64_t k = field.first; k <= field.last; ++k)
      if (fitted(outcomes_[k].status) || long_table) lowest = std::min(lowest, finite_objective(outcomes_[k]));
    const RowView rows{job.begin, job.count, nullptr, nullptr, job.own};
    const double behind = rows_.bends_sharply(rows, lowest) ? kSlowlyBehind : long_table ? kPlainlyBehind : kBehind;
    for (int64_t k = field.first; k <= field.last; ++k)
      if (outcomes_[k].status == Status::iteration_limit && !(outcomes_[k].objective > behind * lowest)) on.push_back(k);
  }
  finish(jobs_, outcomes_, sizes_, on, options_);
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
  finish(jobs_, outcomes_, sizes_, near, options_);
}

// Takes these all the way.
void Descent::follow(const std::vector<int64_t>& ahead) {
  std::vector<int64_t> far;
  for (int64_t k : ahead) if (cut_short(outcomes_[k])) far.push_back(k);
  go_on(Stage::far, jobs_, outcomes_, far, options_);
  std::vector<int64_t> near;
  for (int64_t k : ahead) if (unfinished(outcomes_[k])) near.push_back(k);
  finish(jobs_, outcomes_, sizes_, near, options_);
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
  std::vector<std::unique_ptr<BasinTest>> tests;   // one a worker
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
    if (made_for != rows) tests.clear();
    made_for = rows;
    const int64_t n = static_cast<int64_t>(starts.size());
    const size_t workers = static_cast<size_t>(range_workers(n, kStartsPerWorker, options_.threads));
    while (tests.size() < workers) tests.push_back(std::make_unique<BasinTest>(problem_, table_, rows));
    inside.assign(starts.size(), 0);
    const auto look = [&](int worker, int64_t first, int64_t last) {
      tests[static_cast<size_t>(worker)]->inside(jobs_[best].begin, rows, outcomes_[best].parameters, &starts[static_cast<size_t>(first)], last - first,
                                                 numbers_of(problem_, jobs_[best]), &inside[static_cast<size_t>(first)]);
    };
    share_range(n, kStartsPerWorker, options_.threads, look);
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

}  // namespace lawfit
