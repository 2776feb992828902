#include "likelihood_fits.hpp"

#include <algorithm>
#include <cmath>

#include "group.hpp"

namespace lawfit {

namespace {
// What is fitted while the numbers are unknown: Poisson's likelihood, or least squares.
ObjectiveSpec pilot(const ObjectiveSpec& objective) {
  return {objective.space, objective.loss == Loss::negative_binomial ? Loss::poisson : Loss::squared, 1, 0};
}

const std::vector<double> kHeavy = {kHeaviestTail};

// 1. A pilot that needs no numbers, from all starts. 2. From its optimum the joint fit: first numbers.
// 3. All starts again under the likelihood with these numbers: its optima are others than the pilot's.
// 4. From the best of them the joint fit.
// 5. Where the tail is estimated, 3 and 4 from the heaviest, too: least squares go with the outliers,
// and what lies next to them is often the optimum of light tails alone. The lower of both counts.
class LikelihoodFits {
 public:
  LikelihoodFits(const CompiledLaw& law, const FitRequest& request, const FitOptions& options, Cancellation& cancelled)
      : law_(law), request_(request), options_(options), cancelled_(cancelled), p_(law.centred.parameters),
        problem_(make_problem(law, request.objective, request.lower, request.upper)),
        table_(prepare_table(law, request.table, request.objective.space)),
        rows_(law, request.table, request.objective, longest_group(request.offsets, request.groups)), refits_(problem_, table_, rows_, options_, cancelled), joint_(table_, rows_, p_, refits_, cancelled),
        numbers_(static_cast<size_t>(request.groups), {request.objective.scale, request.objective.tail}) {}

  void run(FitTable& out) {
    FitRequest first = request_;
    first.objective = pilot(request_.objective);
    first.compact = true;
    FitOptions options = options_;
    options.keep_starts = false;
    FitTable found(p_, request_.groups);
    GroupFits(law_, first, options, cancelled_).run(found);
    std::vector<LossNumbers> heavy = numbers_;
    if (request_.objective.free_tail) first_numbers(found, kHeavy, heavy);
    refine(found, first_numbers(found, kTails, numbers_));
    fit(request_, options_, out);
    if (!request_.objective.free_tail || cancelled_) return;
    numbers_ = std::move(heavy);
    FitTable other(p_, request_.groups);
    other.keep_numbers();
    first.objective = request_.objective;
    fit(first, options, other);
    for (int64_t g = 0; g < request_.groups; ++g) if (enough_for_heavy(g)) keep_lower(other, g, out, request_.row(g));
  }

 private:
  int64_t begin(int64_t g) const { return request_.offsets[g]; }
  int64_t count(int64_t g) const { return request_.offsets[g + 1] - request_.offsets[g]; }

  // Numbers at the optima of a pilot, and for which groups there are any.
  std::vector<char> first_numbers(const FitTable& pilots, const std::vector<double>& tails, std::vector<LossNumbers>& numbers) {
    std::vector<char> known(static_cast<size_t>(request_.groups), 0);
    for (int64_t g = 0; g < request_.groups; ++g)
      known[g] = usable(pilots, g) && joint_.first_numbers(&pilots.values[g * p_], {begin(g), count(g)}, tails, numbers[g]);
    return known;
  }
  // The joint fit from the optima of a pilot.
  void refine(const FitTable& pilots, const std::vector<char>& known) {
    settle(pilots, [](int64_t g) { return g; }, [&](int64_t g) { return known[g]; }, [](size_t, int64_t, const double*) {});
  }
  // All starts under the likelihood with the numbers so far, and from the best the joint fit.
  void fit(FitRequest request, const FitOptions& options, FitTable& out) {
    request.own = numbers_.data();
    GroupFits(law_, request, options, cancelled_).run(out);
    const auto row = [&](int64_t g) { return request.row(g); };
    for (int64_t g = 0; g < request.groups; ++g) to_joint(g, row(g), options.keep_starts, out);
    settle(out, row, [&](int64_t g) { return usable(out, row(g)) && fitted(static_cast<Status>(out.status[row(g)])); },
           [&](size_t k, int64_t g, const double* values) { take(g, row(g), joint_.outcomes()[k], values, out); });
  }
  bool usable(const FitTable& table, int64_t row) const {
    const double* at = &table.values[row * p_];
    return std::all_of(at, at + p_, [](double v) { return std::isfinite(v); }) && std::isfinite(table.objective[row]);
  }

  // The joint fit from a table's rows; done(job, group, parameters) for each that there was.
  template <class Row, class Wanted, class Done> void settle(const FitTable& table, const Row& row, const Wanted& wanted, const Done& done) {
    std::vector<Job> jobs;
    std::vector<int64_t> groups;
    std::vector<double> values;
    std::vector<LossNumbers> numbers;
    for (int64_t g = 0; g < request_.groups; ++g) {
      if (!wanted(g)) continue;
      jobs.push_back({begin(g), count(g), nullptr, nullptr, 0, kSharpest * typical_size(table_, begin(g), count(g))});
      groups.push_back(g);
      values.insert(values.end(), &table.values[row(g) * p_], &table.values[row(g) * p_] + p_);
      numbers.push_back(numbers_[g]);
    }
    joint_.run(jobs, values, numbers);
    for (size_t k = 0; k < jobs.size(); ++k) {
      numbers_[groups[k]] = numbers[k];
      done(k, groups[k], &values[k * p_]);
    }
  }

  // The likelihood of few rows grows without end where the law goes through some of them: as many rows
  // as parameters at most, against all others of the heaviest tail.
  bool enough_for_heavy(int64_t g) const { return count(g) > 2 * p_; }

  // A row of another table that is a better fit.
  void keep_lower(const FitTable& from, int64_t a, FitTable& out, int64_t b) const {
    const double here = out.objective[b], there = from.objective[a];
    const bool was = fitted(static_cast<Status>(out.status[b]));
    out.iterations[b] += from.iterations[a];
    if (!fitted(static_cast<Status>(from.status[a])) || (was && !(there < here - kSameBasin * (1 + std::fabs(here))))) return;
    const auto copy = [&](const auto& source, auto& target, int64_t each) { std::copy_n(&source[a * each], each, &target[b * each]); };
    copy(from.values, out.values, p_);
    copy(from.active, out.active, p_);
    copy(from.tradeoff, out.tradeoff, static_cast<int64_t>(p_) * p_);
    copy(from.objective, out.objective, 1);
    copy(from.gradient_norm, out.gradient_norm, 1);
    copy(from.best_share, out.best_share, 1);
    copy(from.status, out.status, 1);
    copy(from.n_starts, out.n_starts, 1);
    copy(from.n_converged, out.n_converged, 1);
    copy(from.moved, out.moved, 1);
    copy(from.numbers, out.numbers, 1);
    out.second_objective[b] = was ? std::fmin(from.second_objective[a], here) : from.second_objective[a];
  }

  // Objectives at these numbers become joint ones.
  void to_joint(int64_t g, int64_t row, bool starts, FitTable& out) {
    if (!std::isfinite(out.objective[row])) return;
    const double offset = density_offset(rows_, {begin(g), count(g), nullptr, nullptr, &numbers_[g]});
    out.objective[row] += offset;
    out.second_objective[row] += offset;
    for (int64_t s = row * out.starts; starts && s < (row + 1) * out.starts; ++s) out.start_objective[s] += offset;
    out.numbers[row] = numbers_[g];
  }

  void take(int64_t g, int64_t row, const JointOutcome& o, const double* values, FitTable& out) {
    std::copy_n(values, p_, &out.values[row * p_]);
    bool bound = false;
    for (int k = 0; k < p_; ++k) {
      out.active[row * p_ + k] = bound_side(values[k], request_.lower[k], request_.upper[k]);
      bound |= out.active[row * p_ + k] != 0;
    }
    out.iterations[row] += o.iterations;
    if (std::isfinite(o.objective)) {
      out.objective[row] = o.objective;
      out.gradient_norm[row] = o.gradient_norm;
      out.numbers[row] = numbers_[g];
    }
    const Status status = fitted(o.status) ? (bound ? Status::converged_at_bound : Status::converged) : o.status;
    out.status[row] = static_cast<int8_t>(status == Status::cancelled && !cancelled_ ? Status::time_limit : status);
  }

  const CompiledLaw& law_;
  const FitRequest& request_;
  const FitOptions& options_;
  Cancellation& cancelled_;
  const int p_;
  Problem problem_;
  TableData table_;
  RowModel rows_;
  FreeRefits refits_;
  JointFit joint_;
  std::vector<LossNumbers> numbers_;
};
}  // namespace

void fit_groups(const CompiledLaw& law, const FitRequest& request, const FitOptions& options, Cancellation& cancelled, FitTable& out) {
  if (request.objective.estimates()) LikelihoodFits(law, request, options, cancelled).run(out);
  else GroupFits(law, request, options, cancelled).run(out);
}

}  // namespace lawfit
