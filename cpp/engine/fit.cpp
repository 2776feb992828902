#include "fit.hpp"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <memory>

#include "covariance.hpp"
#include "descent.hpp"
#include "kink_polish.hpp"
#include "start_source.hpp"

namespace lawfit {

namespace {
constexpr double kTie = 1e-9;              // relative objective below which the earlier start wins
constexpr double kFlatGradient = 1e-6;     // scale-free gradient of a start that need not move
constexpr int kHopRounds = 5;              // searches around the best optimum while they find better ones
constexpr int kHopDimensions = 1;          // nonlinear parameters from which there is anything to search
constexpr double kRareBasin = 0.4;        // share of starts below which the best optimum may not be the last word

double steady_seconds() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

int64_t longest_group(const FitRequest& request) {
  int64_t longest = 1;
  for (int64_t g = 0; g < request.groups; ++g) longest = std::max(longest, request.offsets[g + 1] - request.offsets[g]);
  return longest;
}

double finite_objective(const Outcome& o) { return std::isfinite(o.objective) ? o.objective : infinity; }

class FitCall {
 public:
  FitCall(const CompiledLaw& law, const FitRequest& request, const FitOptions& options)
      : law_(law), request_(request), options_(options), p_(law.centred.parameters),
        problem_(make_problem(law, request.objective, request.lower, request.upper)),
        table_(prepare_table(law.centred, request.table.columns, request.table.y, request.table.weight, request.table.sigma,
                             request.table.rows, request.objective.space)),
        rows_(law, request.table, request.objective, longest_group(request)), source_(law, request, table_, options.seed),
        found_(request.groups) {
    // Kinks are approached through a dozen scales.
    if (has_kink(request.objective.loss)) options_.limits.finish_iterations *= 4;
    if (options.max_seconds > 0) options_.limits.deadline = steady_seconds() + options.max_seconds;
  }

  FitTable run() {
    prepare_result();
    make_starts();
    descend_all();
    if (!request_.starts && !request_.asked) for (int round = 0; round < kHopRounds && hop(round); ++round) {}
    reduce();
    return std::move(result_);
  }

 private:
  int64_t begin(int64_t g) const { return request_.offsets[g]; }
  int64_t count(int64_t g) const { return request_.offsets[g + 1] - request_.offsets[g]; }
  bool usable(int64_t g) const { return count(g) >= std::max<int64_t>(p_, 1) && informative(g) >= p_; }
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

  const double* given(int64_t g, int64_t s) const {
    return request_.starts + ((request_.starts_per_group ? g * starts_ : 0) + s) * p_;
  }

  void make_starts() {
    for (int64_t g = 0; g < request_.groups; ++g) {
      if (g == 0) {
        starts_ = request_.starts ? request_.given : source_.automatic_count(count(g));
        start_values_.assign(request_.groups * starts_ * p_, 0.0);
      }
      double* values = &start_values_[g * starts_ * p_];
      if (request_.starts) std::copy_n(given(g, 0), starts_ * p_, values);
      if (!usable(g) || cancelled_) continue;
      if (request_.starts) source_.project(begin(g), count(g), starts_, values);
      else source_.automatic(begin(g), count(g), values);
      if (options_.poll && g % 64 == 63 && !options_.poll(0, request_.groups)) cancelled_ = true;
    }
  }

  Descent& descend(const std::vector<int64_t>& groups, std::vector<double> starts, const std::vector<const double*>& from) {
    const int64_t each = groups.empty() ? 0 : static_cast<int64_t>(starts.size()) / p_ / static_cast<int64_t>(groups.size());
    std::vector<RowRange> ranges;
    for (int64_t g : groups) ranges.insert(ranges.end(), each, RowRange{begin(g), count(g)});
    descents_.push_back(std::make_unique<Descent>(problem_, table_, rows_, options_, cancelled_));
    descents_.back()->run(ranges, std::move(starts), from);
    const std::vector<Outcome>& outcomes = descents_.back()->outcomes();
    for (size_t k = 0; k < outcomes.size(); ++k) found_[groups[k / each]].push_back(&outcomes[k]);
    return *descents_.back();
  }

  void descend_all() {
    std::vector<int64_t> groups;
    std::vector<double> starts;
    std::vector<const double*> from;
    for (int64_t g = 0; g < request_.groups; ++g) {
      if (!usable(g)) continue;
      groups.push_back(g);
      starts.insert(starts.end(), &start_values_[g * starts_ * p_], &start_values_[g * starts_ * p_] + starts_ * p_);
      for (int64_t s = 0; request_.starts && s < starts_; ++s) from.push_back(given(g, s));
    }
    descend(groups, std::move(starts), from);
  }

  // Where few starts share the best optimum, others around it may be better still.
  bool hop(int round) {
    if (source_.nonlinear() < kHopDimensions || cancelled_) return false;
    std::vector<int64_t> groups;
    std::vector<double> starts;
    for (int64_t g = 0; g < request_.groups; ++g) {
      if (!usable(g) || (round > 0 && !improved(g))) continue;
      const Outcome& o = *best(g);
      if (!std::isfinite(o.objective) || (round == 0 && share(g) >= kRareBasin)) continue;
      groups.push_back(g);
      starts.resize(starts.size() + starts_ * p_);
      source_.around(begin(g), count(g), o.parameters, round, &starts[starts.size() - starts_ * p_]);
    }
    if (groups.empty()) return false;
    descend(groups, std::move(starts), {});
    return true;
  }
  // Did the last round of hops lower the objective?
  bool improved(int64_t g) const {
    const auto& all = found_[g];
    double before = infinity, after = infinity;
    for (size_t k = 0; k < all.size(); ++k)
      (k + starts_ < all.size() ? before : after) = std::min(k + starts_ < all.size() ? before : after, finite_objective(*all[k]));
    return all.size() > static_cast<size_t>(starts_) && after < before * (1 - kSameBasin);
  }

  double lowest(int64_t g) const {
    double f = infinity;
    for (const Outcome* o : found_[g]) f = std::min(f, finite_objective(*o));
    return f;
  }
  // The earliest of the lowest objectives, fitted ones before others.
  const Outcome* best(int64_t g) const {
    const double limit = lowest(g) * (1 + kTie);
    const Outcome* best = nullptr;
    for (const Outcome* o : found_[g]) {
      if (finite_objective(*o) > limit) continue;
      if (!best || (fitted(o->status) && !fitted(best->status))) best = o;
    }
    return best;
  }
  bool in_best_basin(int64_t g, const Outcome& o) const {
    const double size = typical_size(table_, begin(g), count(g)), rounding = 1e-28 * size * size * static_cast<double>(count(g));
    return finite_objective(o) <= lowest(g) * (1 + kSameBasin) + rounding;
  }
  double share(int64_t g) const {
    int64_t n = 0;
    for (const Outcome* o : found_[g]) n += in_best_basin(g, *o);
    return static_cast<double>(n) / static_cast<double>(std::max<size_t>(found_[g].size(), 1));
  }

  void reduce() {
    result_.starts = starts_;
    result_.start_values = start_values_;
    result_.start_objective.assign(request_.groups * starts_, not_a_number);
    result_.start_status.assign(request_.groups * starts_, static_cast<int8_t>(Status::too_few_points));
    for (int64_t g = 0; g < request_.groups; ++g)
      if (usable(g)) {
        Outcome o = *best(g);
        reduce_starts(g);
        if (has_kink(problem_.loss) && std::isfinite(o.objective))
          o.objective = polish_kinks(rows_, request_.objective, request_.lower, request_.upper, begin(g), count(g), o.parameters);
        reduce_group(g, o);
      }
  }

  Status own_status(const Outcome& o) const {   // jobs never reached before the deadline are still marked cancelled
    return o.status == Status::cancelled && !cancelled_ ? Status::time_limit : o.status;
  }

  void reduce_starts(int64_t g) {
    const double limit = lowest(g);
    double second = infinity;
    int32_t iterations = 0, converged = 0;
    for (size_t k = 0; k < found_[g].size(); ++k) {
      const Outcome& o = *found_[g][k];
      iterations += o.iterations;
      converged += fitted(o.status);
      if (finite_objective(o) > limit * (1 + kSameBasin) && !in_best_basin(g, o)) second = std::min(second, finite_objective(o));
      if (k >= static_cast<size_t>(starts_)) continue;
      const size_t s = static_cast<size_t>(g * starts_) + k;
      std::copy_n(o.parameters, p_, &result_.start_values[s * p_]);
      result_.start_objective[s] = o.objective;
      result_.start_status[s] = static_cast<int8_t>(own_status(o));
    }
    result_.iterations[g] = iterations;
    result_.n_starts[g] = static_cast<int32_t>(found_[g].size());
    result_.n_converged[g] = converged;
    result_.best_share[g] = share(g);
    result_.second_objective[g] = std::isfinite(second) ? second : not_a_number;
  }

  void reduce_group(int64_t g, const Outcome& o) {
    std::copy_n(o.parameters, p_, &result_.values[g * p_]);
    std::copy_n(o.active, p_, &result_.active[g * p_]);
    result_.objective[g] = o.objective;
    result_.gradient_norm[g] = o.gradient_norm;
    result_.moved[g] = o.moved;
    Status status = own_status(o);
    if (!std::isfinite(o.objective) && status == Status::converged) status = Status::not_finite;
    if (status == Status::stalled && !o.moved && o.gradient_norm > kFlatGradient) status = Status::did_not_move;
    if (fitted(status) || status == Status::stalled || status == Status::iteration_limit || status == Status::not_identified) {
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
  StartSource source_;
  FitTable result_;
  int64_t starts_ = 0;
  std::vector<double> start_values_;
  std::vector<std::unique_ptr<Descent>> descents_;
  std::vector<std::vector<const Outcome*>> found_;   // per group: its starts, then its hops
  std::atomic<bool> cancelled_{false};
};

}  // namespace

FitTable fit(const CompiledLaw& law, const FitRequest& request, const FitOptions& options) {
  return FitCall(law, request, options).run();
}

}  // namespace lawfit
