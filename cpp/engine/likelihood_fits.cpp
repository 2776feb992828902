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

// 1. A pilot that needs no numbers, from all starts. 2. From its optimum the joint fit: first numbers.
// 3. All starts again under the likelihood with these numbers: its optima are others than the pilot's.
// 4. From the best of them the joint fit.
class LikelihoodFits {
 public:
  LikelihoodFits(const CompiledLaw& law, const FitRequest& request, const FitOptions& options, std::atomic<bool>& cancelled)
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
    settle(found, [](int64_t g) { return g; }, true);
    FitRequest second = request_;
    second.own = numbers_.data();
    GroupFits(law_, second, options_, cancelled_).run(out);
    for (int64_t g = 0; g < request_.groups; ++g) to_joint(g, out);
    settle(out, [&](int64_t g) { return request_.row(g); }, false);
  }

 private:
  int64_t begin(int64_t g) const { return request_.offsets[g]; }
  int64_t count(int64_t g) const { return request_.offsets[g + 1] - request_.offsets[g]; }

  // The joint fit from each row of a table; `fresh`: nothing is known of the numbers yet.
  template <class Row> void settle(FitTable& table, const Row& row, bool fresh) {
    std::vector<Job> jobs;
    std::vector<int64_t> groups;
    std::vector<double> values;
    std::vector<LossNumbers> numbers;
    for (int64_t g = 0; g < request_.groups; ++g) {
      const double* at = &table.values[row(g) * p_];
      const Status status = static_cast<Status>(table.status[row(g)]);
      if (!std::all_of(at, at + p_, [](double v) { return std::isfinite(v); }) || !std::isfinite(table.objective[row(g)])) continue;
      if (fresh ? !joint_.first_numbers(at, {begin(g), count(g)}, numbers_[g]) : !fitted(status)) continue;
      Job job{begin(g), count(g), nullptr, nullptr, 0, kSharpest * typical_size(table_, begin(g), count(g))};
      jobs.push_back(job);
      groups.push_back(g);
      values.insert(values.end(), at, at + p_);
      numbers.push_back(numbers_[g]);
    }
    joint_.run(jobs, values, numbers);
    for (size_t k = 0; k < jobs.size(); ++k) {
      numbers_[groups[k]] = numbers[k];
      if (!fresh) take(groups[k], joint_.outcomes()[k], &values[k * p_], table);
    }
  }

  // Objectives at these numbers become joint ones.
  void to_joint(int64_t g, FitTable& out) {
    const int64_t row = request_.row(g);
    if (!std::isfinite(out.objective[row])) return;
    const double offset = density_offset(rows_, {begin(g), count(g), nullptr, nullptr, &numbers_[g]});
    out.objective[row] += offset;
    out.second_objective[row] += offset;
    for (int64_t s = row * out.starts; options_.keep_starts && s < (row + 1) * out.starts; ++s) out.start_objective[s] += offset;
    out.numbers[row] = numbers_[g];
  }

  void take(int64_t g, const JointOutcome& o, const double* values, FitTable& out) {
    const int64_t row = request_.row(g);
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
  std::atomic<bool>& cancelled_;
  const int p_;
  Problem problem_;
  TableData table_;
  RowModel rows_;
  FreeRefits refits_;
  JointFit joint_;
  std::vector<LossNumbers> numbers_;
};
}  // namespace

void fit_groups(const CompiledLaw& law, const FitRequest& request, const FitOptions& options, std::atomic<bool>& cancelled, FitTable& out) {
  if (request.objective.estimates()) LikelihoodFits(law, request, options, cancelled).run(out);
  else GroupFits(law, request, options, cancelled).run(out);
}

}  // namespace lawfit
