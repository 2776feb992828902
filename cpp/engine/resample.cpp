// Refits of replicates, warm from the full fit; some of them from automatic starts, too.
#include "resample.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "batch.hpp"
#include "clock.hpp"
#include "group.hpp"
#include "joint_fit.hpp"
#include "pool.hpp"

namespace lawfit {

namespace {
constexpr int64_t kChunkNumbers = int64_t{1} << 22;   // drawn weights or targets held at once
constexpr int64_t kChunkJobs = int64_t{1} << 16;
constexpr int64_t kDrawnInline = 1 << 15;             // numbers below which one thread draws them
constexpr int64_t kManyChecks = 20;                    // replicates checked from which each needs but half the starts: together they see more

// work(k) for k in [0, count), on as many threads as there are.
template <class Work> void for_each(int64_t count, bool small, const FitOptions& options, Cancellation& cancelled, const Work& work) {
  std::atomic<int64_t> next{0};
  auto run = [&](int) {
    constexpr int64_t kStretch = 16;
    for (int64_t k = next.fetch_add(kStretch); k < count && !cancelled; k = next.fetch_add(kStretch))
      for (int64_t j = k; j < std::min(k + kStretch, count); ++j) work(j);
  };
  run_workers(small ? 1 : options.threads, run, options.polls([&] { return next.load(); }, count), cancelled);
}

class ReplicateCall {
 public:
  ReplicateCall(const CompiledLaw& law, const ReplicateRequest& request, const FitOptions& options)
      : law_(law), request_(request), options_(options), p_(law.centred.parameters),
        problem_(make_problem(law, request.objective, request.lower, request.upper)),
        table_(prepare_table(law, request.table, request.objective.space)),
        rows_(law, request.table, request.objective, longest_group(request.offsets, request.groups)),
        maker_(request.scheme, request.offsets, request.groups, request.table.rows, options.seed),
        total_(request.groups * request.replicates) {
    if (has_kink(request.objective.loss)) options_.limits.finish_iterations *= 4;
    if (options.max_seconds > 0) options_.limits.deadline = now_seconds() + options.max_seconds;
    result_.values.assign(static_cast<size_t>(total_) * p_, not_a_number);
    result_.objective.assign(total_, not_a_number);
    result_.status.assign(total_, static_cast<int8_t>(Status::cancelled));
    result_.checked.assign(total_, 0);
    if (request.objective.estimates()) result_.numbers.assign(total_, {not_a_number, not_a_number});
    for (int64_t g = 0; g < request_.groups; ++g) prepare_group(g);
  }

  ReplicateTable run() {
    for (int64_t first = 0; first < total_ && !cancelled_;) first = refit_chunk(first);
    if (request_.checked > 0 && !cancelled_) check();
    return std::move(result_);
  }

 private:
  struct Group { bool usable; double relax, sharpest; };
  int64_t begin(int64_t g) const { return request_.offsets[g]; }
  int64_t count(int64_t g) const { return request_.offsets[g + 1] - request_.offsets[g]; }
  const double* warm(int64_t g) const { return request_.warm + g * p_; }
  bool new_targets() const { return request_.scheme.new_targets(); }

  void prepare_group(int64_t g) {
    const LossNumbers* own = request_.own(g);
    Group group{count(g) > 0 && (!own || own->scale >= 0) && std::all_of(warm(g), warm(g) + p_, [](double v) { return std::isfinite(v); }), 0, 0};
    if (group.usable && has_kink(request_.objective.loss))   // a kink needs some smoothing to start from
      group.relax = 0.1 * rows_.objective(warm(g), {begin(g), count(g)}) / static_cast<double>(count(g));
    if (group.usable) group.sharpest = kSharpest * typical_size(table_, begin(g), count(g));
    groups_.push_back(group);
  }

  // Weights (times the table's own) or targets of one replicate; false when it cannot be fitted.
  bool draw(int64_t g, int64_t r, double* out) const {
    if (!maker_.make(g, r, out)) return false;
    if (new_targets()) return informative(table_.weight.empty() ? nullptr : &table_.weight[begin(g)], count(g));
    if (!table_.weight.empty()) for (int64_t i = 0; i < count(g); ++i) out[i] *= table_.weight[begin(g) + i];
    return informative(out, count(g));
  }
  bool informative(const double* weight, int64_t n) const {
    return (weight ? std::count_if(weight, weight + n, [](double w) { return w > 0; }) : n) >= law_.least_rows();
  }

  // Refits as many replicates as fit into the chunk; returns the first that is left.
  int64_t refit_chunk(int64_t first) {
    std::vector<int64_t> places;   // of each replicate's numbers in the chunk
    int64_t numbers = 0, last = first;
    for (; last < total_ && last - first < kChunkJobs; ++last) {
      const int64_t n = count(last / request_.replicates);
      if (last > first && numbers + n > kChunkNumbers) break;
      places.push_back(numbers);
      numbers += n;
    }
    drawn_.resize(std::max<size_t>(drawn_.size(), numbers));
    std::vector<char> fits(last - first, 0);
    FitOptions options = options_;
    options.poll = nullptr;
    if (options_.poll) options.poll = [&](int64_t done, int64_t jobs) { return options_.poll(std::min(first + done, first + jobs), total_); };
    for_each(last - first, numbers < kDrawnInline, options, cancelled_, [&](int64_t k) {
      const int64_t g = (first + k) / request_.replicates;
      fits[k] = groups_[g].usable && draw(g, (first + k) % request_.replicates, &drawn_[places[k]]);
    });
    std::vector<Job> jobs;
    std::vector<int64_t> index;
    for (int64_t k = first; k < last; ++k) {
      const int64_t g = k / request_.replicates;
      if (!fits[k - first]) {
        if (!cancelled_) result_.status[k] = static_cast<int8_t>(groups_[g].usable ? Status::too_few_points : Status::not_finite);
        continue;
      }
      Job job{begin(g), count(g), new_targets() ? nullptr : &drawn_[places[k - first]], warm(g), groups_[g].relax};
      job.own = request_.own(g);
      job.target = new_targets() ? &drawn_[places[k - first]] : nullptr;
      job.sharpest = groups_[g].sharpest;
      jobs.push_back(job);
      index.push_back(k);
    }
    if (request_.objective.estimates()) {
      refit_jointly(jobs, index, options);
      return last;
    }
    Descent descent(problem_, table_, rows_, options, cancelled_);
    descent.refit(jobs);
    for (size_t k = 0; k < index.size(); ++k) {
      const Outcome& o = descent.outcomes()[k];
      std::copy_n(o.parameters, p_, &result_.values[index[k] * p_]);
      result_.objective[index[k]] = o.objective;
      result_.status[index[k]] = static_cast<int8_t>(certified(o, jobs[k]));
    }
    return last;
  }

  // A replicate at an optimum that its rows do not determine has no parameters to count with.
  Status certified(const Outcome& o, const Job& job) {
    if (!fitted(o.status) || o.inverse_trace < kSoundInverse) return o.status;
    std::vector<uint8_t> tradeoff(static_cast<size_t>(p_) * p_);
    const RowView rows{job.begin, job.count, job.weight, job.target, job.own};
    return find_tradeoffs(rows_, problem_, o.parameters, o.active, rows, tradeoff.data()) ? Status::not_identified : o.status;
  }

  void refit_jointly(const std::vector<Job>& jobs, const std::vector<int64_t>& index, const FitOptions& options) {
    std::vector<double> values;
    std::vector<LossNumbers> numbers;
    for (size_t k = 0; k < jobs.size(); ++k) {
      values.insert(values.end(), jobs[k].start, jobs[k].start + p_);
      numbers.push_back(*request_.own(index[k] / request_.replicates));
    }
    FreeRefits refits(problem_, table_, rows_, options, cancelled_);
    JointFit joint(table_, rows_, p_, refits, cancelled_);
    joint.run(jobs, values, numbers);
    for (size_t k = 0; k < jobs.size(); ++k) {
      const JointOutcome& o = joint.outcomes()[k];
      std::copy_n(&values[k * p_], p_, &result_.values[index[k] * p_]);
      result_.objective[index[k]] = o.objective;
      result_.status[index[k]] = static_cast<int8_t>(o.status);
      result_.numbers[index[k]] = numbers[k];
    }
  }

  // Log-likelihoods have no zero to be relative to.
  double lower(double objective) const {
    return request_.objective.estimates() ? objective - kSameBasin * (1 + std::fabs(objective)) : objective * (1 - kSameBasin);
  }

  // Some replicates are fitted as if nothing were known: a warm start may miss a second basin.
  void check() {
    const int64_t n = std::min(request_.checked, request_.replicates);
    std::vector<int64_t> chosen;
    int64_t rows = 0;
    for (int64_t g = 0; g < request_.groups && !cancelled_; ++g)
      for (int64_t i = 0; i < n; ++i) {
        const int64_t k = g * request_.replicates + (2 * i + 1) * request_.replicates / (2 * n);
        if (result_.status[k] == static_cast<int8_t>(Status::too_few_points) || !groups_[g].usable) continue;
        chosen.push_back(k);
        rows += count(g);
        if (rows < kChunkNumbers / 8) continue;
        check_chosen(chosen);
        chosen.clear();
        rows = 0;
      }
    if (!chosen.empty() && !cancelled_) check_chosen(chosen);
  }

  void check_chosen(const std::vector<int64_t>& chosen) {
    const int variables = request_.law.variables;
    std::vector<std::vector<double>> columns(variables);
    std::vector<double> y, weight, sigma, drawn(longest_group(request_.offsets, request_.groups));
    std::vector<int64_t> offsets{0};
    const TableView& from = request_.table;
    for (int64_t k : chosen) {
      const int64_t g = k / request_.replicates, b = begin(g), n = count(g);
      draw(g, k % request_.replicates, drawn.data());
      for (int64_t i = 0; i < n; ++i) {
        const double row_weight = !new_targets() ? drawn[i] : from.weight ? from.weight[b + i] : 1;
        if (row_weight == 0) continue;
        for (int v = 0; v < variables; ++v) columns[v].push_back(from.columns[v][b + i]);
        y.push_back(new_targets() ? space_inverse(request_.objective.space, drawn[i]) : from.y[b + i]);
        weight.push_back(row_weight);
        if (from.sigma) sigma.push_back(from.sigma[b + i]);
      }
      offsets.push_back(static_cast<int64_t>(y.size()));
    }
    std::vector<const double*> pointers;
    for (const auto& column : columns) pointers.push_back(column.data());
    BatchLaw law{request_.law, std::vector<int>(variables), request_.lower, request_.upper, request_.guess, {}};
    law.starts.one_in = request_.checked < kManyChecks ? 1 : 2;
    std::iota(law.columns.begin(), law.columns.end(), 0);
    const TableView table{pointers.data(), y.data(), weight.data(), from.sigma ? sigma.data() : nullptr, offsets.back()};
    const BatchRequest request{table, {law}, {request_.objective}, {{nullptr, offsets.data()}}, static_cast<int64_t>(chosen.size())};
    FitOptions options = options_;
    if (options_.poll) options.poll = [&](int64_t, int64_t) {
      if (options_.poll(total_, total_)) return true;
      cancelled_.cancel();
      return false;
    };
    const FitTable found = std::move(fit_batch(request, options)[0]);
    for (size_t i = 0; i < chosen.size(); ++i) {
      const int64_t k = chosen[i];
      const Status status = static_cast<Status>(found.status[i]), before = static_cast<Status>(result_.status[k]);
      result_.checked[k] = 1;
      // Objectives of perfect fits are rounding: of the data's size, not of each other's.
      const int64_t g = k / request_.replicates;
      const double size = groups_[g].sharpest / kSharpest, rounding = 1e-26 * size * size * static_cast<double>(count(g));
      if (!fitted(status) || (fitted(before) && !(found.objective[i] < lower(result_.objective[k]) - rounding))) continue;
      result_.checked[k] = fitted(before) ? 2 : 1;
      std::copy_n(&found.values[i * p_], p_, &result_.values[k * p_]);
      result_.objective[k] = found.objective[i];
      result_.status[k] = found.status[i];
      if (!result_.numbers.empty()) result_.numbers[k] = found.numbers[i];
    }
  }

  const CompiledLaw& law_;
  const ReplicateRequest& request_;
  FitOptions options_;
  const int p_;
  Problem problem_;
  TableData table_;
  RowModel rows_;
  ReplicateMaker maker_;
  const int64_t total_;
  std::vector<Group> groups_;
  std::vector<double> drawn_;
  ReplicateTable result_;
  Cancellation cancelled_;
};
}  // namespace

ReplicateTable resample(const CompiledLaw& law, const ReplicateRequest& request, const FitOptions& options) {
  return ReplicateCall(law, request, options).run();
}

std::vector<double> replicate_covariances(const CompiledLaw& law, const ReplicateRequest& request, const double* values,
                                          const LossNumbers* numbers,
                                          CovarianceKind kind, bool absolute, const FitOptions& options) {
  const int p = law.natural.parameters;
  const int64_t total = request.groups * request.replicates;
  std::vector<double> out(static_cast<size_t>(total) * p * p, not_a_number);
  const ReplicateMaker maker(request.scheme, request.offsets, request.groups, request.table.rows, options.seed);
  const int64_t longest = longest_group(request.offsets, request.groups);
  const bool small = total * longest < kDrawnInline;
  std::atomic<int64_t> next{0};
  Cancellation cancelled;
  auto work = [&](int) {
    RowModel model(law, request.table, request.objective, longest);
    std::vector<double> drawn(longest), weight(longest);
    std::vector<int8_t> active(p);
    for (int64_t k = next.fetch_add(1); k < total && !cancelled; k = next.fetch_add(1)) {
      const int64_t g = k / request.replicates, begin = request.offsets[g], n = request.offsets[g + 1] - begin;
      const double* at = values + k * p;
      if (!std::all_of(at, at + p, [](double v) { return std::isfinite(v); }) || !maker.make(g, k % request.replicates, drawn.data())) continue;
      for (int i = 0; i < p; ++i) active[i] = bound_side(at[i], request.lower[i], request.upper[i]);
      if (numbers && !(numbers[k].scale >= 0)) continue;
      CovarianceRequest one{kind, absolute, begin, n, kind == CovarianceKind::cluster ? request.scheme.units + begin : nullptr};
      one.own = numbers ? numbers + k : nullptr;
      if (request.scheme.new_targets()) {
        one.target = drawn.data();
      } else {
        one.frequency = drawn.data();
        for (int64_t i = 0; i < n; ++i) weight[i] = drawn[i] * (request.table.weight ? request.table.weight[begin + i] : 1);
        one.weight = weight.data();
      }
      covariance(model, at, active.data(), one, &out[static_cast<size_t>(k) * p * p], p);
    }
  };
  run_workers(small ? 1 : options.threads, work, options.polls([&] { return next.load(); }, total), cancelled);
  return out;
}

}  // namespace lawfit
