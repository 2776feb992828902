#include "shared_resample.hpp"

#include <algorithm>
#include <cmath>

#include "clock.hpp"
#include "descent.hpp"
#include "pool.hpp"
#include "stages.hpp"

namespace lawfit {

namespace {
constexpr double kInlineWork = 2e4;        // rows x replicates below which threads cost more than they bring

class SharedReplicateCall {
 public:
  SharedReplicateCall(const SharedRequest& request, const SharedReplicates& replicates, const FitOptions& options)
      : request_(request), replicates_(replicates), options_(options), p_(static_cast<int>(request.lower.size())), split_(request.shared),
        law_(shared_program(request)), problem_(make_problem(law_, request.objective, request.lower, request.upper)),
        table_(prepare_table(law_, request.table, request.objective.space)),
        whole_{0, request.table.rows},
        maker_(replicates.scheme, replicates.within_groups ? request.offsets : whole_, replicates.within_groups ? request.groups : 1,
               request.table.rows, options.seed) {
    if (options.max_seconds > 0) options_.limits.deadline = now_seconds() + options.max_seconds;
    const size_t n = static_cast<size_t>(replicates.count);
    result_.values.assign(static_cast<size_t>(request.groups) * n * p_, not_a_number);
    result_.objective.assign(n, not_a_number);
    result_.status.assign(n, static_cast<int8_t>(Status::cancelled));
  }

  SharedReplicateTable run() {
    std::atomic<int64_t> next{0};
    const bool small = static_cast<double>(request_.table.rows) * static_cast<double>(replicates_.count) < kInlineWork;
    auto work = [&](int) {
      std::vector<double> weight(request_.table.rows), values;
      for (int64_t r = next.fetch_add(1); r < replicates_.count && !cancelled_; r = next.fetch_add(1)) refit(r, weight, values);
    };
    run_workers(small ? 1 : static_cast<int>(std::min<int64_t>(options_.threads, replicates_.count)), work,
                options_.polls([&] { return next.load(); }, replicates_.count), cancelled_);
    return std::move(result_);
  }

 private:
  int64_t begin(int64_t g) const { return request_.offsets[g]; }
  int64_t count(int64_t g) const { return request_.offsets[g + 1] - request_.offsets[g]; }

  bool draw(int64_t r, std::vector<double>& weight) const {
    bool any = false;
    if (replicates_.within_groups) {
      for (int64_t g = 0; g < request_.groups; ++g) any |= count(g) > 0 && maker_.make(g, r, &weight[begin(g)]);
    } else {
      any = maker_.make(0, r, weight.data());
    }
    for (size_t i = 0; any && !table_.weight.empty() && i < weight.size(); ++i) weight[i] *= table_.weight[i];
    return any;
  }

  void refit(int64_t r, std::vector<double>& weight, std::vector<double>& values) {
    if (!draw(r, weight)) {
      result_.status[r] = static_cast<int8_t>(Status::too_few_points);
      return;
    }
    std::vector<SharedRows> rows;
    std::vector<int64_t> members;
    std::vector<char> determined;
    values.clear();
    for (int64_t g = 0; g < request_.groups; ++g) {
      const double* at = replicates_.warm + g * p_;
      const auto drawn = std::count_if(&weight[begin(g)], &weight[begin(g)] + count(g), [](double w) { return w > 0; });
      if (drawn == 0 || !std::all_of(at, at + p_, [](double v) { return std::isfinite(v); })) continue;
      members.push_back(g);
      determined.push_back(drawn >= static_cast<std::ptrdiff_t>(split_.own.size()));
      rows.push_back({begin(g), count(g), &weight[begin(g)]});
      values.insert(values.end(), at, at + p_);
    }
    if (members.empty()) {
      result_.status[r] = static_cast<int8_t>(Status::too_few_points);
      return;
    }
    SharedDescent descent(problem_, request_.shared, table_, rows, options_.limits, 1, [&] { return !cancelled_; });
    SharedOutcome outcome = descent.run(values.data(), false);
    if (!fitted(outcome.status) && !cancelled_) {   // the long way round
      std::vector<double> again;
      for (int64_t g : members) again.insert(again.end(), replicates_.warm + g * p_, replicates_.warm + (g + 1) * p_);
      const SharedOutcome other = descent.run(again.data(), true);
      if (fitted(other.status)) {
        outcome = other;
        values = again;
      }
    }
    result_.objective[r] = outcome.objective;
    result_.status[r] = static_cast<int8_t>(outcome.status);
    for (int64_t g = 0; g < request_.groups; ++g)   // those that were not drawn have the shared values, too
      for (int k : split_.shared) value(g, r)[k] = values[k];
    for (size_t i = 0; i < members.size(); ++i)
      for (int k : split_.own) if (determined[i]) value(members[i], r)[k] = values[i * p_ + k];
  }
  double* value(int64_t g, int64_t r) { return &result_.values[static_cast<size_t>((g * replicates_.count + r) * p_)]; }

  const SharedRequest& request_;
  const SharedReplicates& replicates_;
  FitOptions options_;
  const int p_;
  const SharedSplit split_;
  const CompiledLaw law_;
  const Problem problem_;
  const TableData table_;
  const int64_t whole_[2];
  ReplicateMaker maker_;
  SharedReplicateTable result_;
  Cancellation cancelled_;
};
}  // namespace

SharedReplicateTable resample_shared(const SharedRequest& request, const SharedReplicates& replicates, const FitOptions& options) {
  return SharedReplicateCall(request, replicates, options).run();
}

}  // namespace lawfit
