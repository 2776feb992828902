#include "shared_fit.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "batch.hpp"
#include "clock.hpp"
#include "descent.hpp"
#include "group.hpp"
#include "held_law.hpp"
#include "shared_covariance.hpp"

namespace lawfit {

namespace {
constexpr int kDescents = 2;               // candidates that go all the way
constexpr int kMostGiven = 16;             // candidates taken from starts given by hand
constexpr int kSearches = 3;               // rounds of fresh starts for the own parameters
constexpr int64_t kLenders = 32;           // groups that one without a fit of its own may borrow from
constexpr double kBetter = 1e-9;           // relative decrease that is one

// Own parameters at one set of shared values.
struct Candidate {
  std::vector<double> values;              // groups x parameters
  double objective = infinity;
};

class SharedFit {
 public:
  SharedFit(const SharedRequest& request, const FitOptions& options)
      : request_(request), options_(options), p_(static_cast<int>(request.lower.size())), split_(request.shared), law_(shared_program(request)),
        problem_(make_problem(law_, request.objective, request.lower, request.upper)),
        table_(prepare_table(law_, request.table, request.objective.space)),
        rows_(law_, request.table, request.objective, longest_group(request.offsets, request.groups)), held_(request.law, request.shared), result_(p_, request.groups) {
    if (options.max_seconds > 0) options_.limits.deadline = now_seconds() + options.max_seconds;
    for (int64_t g = 0; g < request.groups; ++g) if (count(g) > 0) members_.push_back(g);
    for (int64_t g : members_) spans_.push_back({begin(g), count(g)});
  }

  SharedTable run() {
    if (request_.table.rows < p_ || members_.empty()) {
      leave_out(Status::too_few_points);
      return std::move(result_);
    }
    result_.status = Status::not_finite;
    const std::function<bool()> poll = options_.polls([this] { return done_; }, work());
    const Cancellation::Polling polling(cancelled_, poll);
    std::vector<Candidate> found;
    for (const std::vector<double>& shared : shared_candidates()) {
      if (stopped()) break;
      found.push_back(with_own(shared));
    }
    std::stable_sort(found.begin(), found.end(), [](const Candidate& a, const Candidate& b) { return a.objective < b.objective; });
    if (found.size() > kDescents) found.resize(kDescents);
    SharedDescent descent(problem_, request_.shared, table_, spans_, options_.limits, options_.threads, [&] { return !stopped(); });
    Candidate best;
    SharedOutcome outcome = descend(descent, found, best);
    for (int round = 0; round < kSearches && fitted(outcome.status) && !stopped() && searching(); ++round) {
      Candidate again = with_own(shared_of(best));
      if (!improve(again, best)) break;
      const SharedOutcome next = go(descent, again, false);
      if (!(next.objective < outcome.objective * (1 - kBetter))) break;
      outcome = next;
      best = again;
    }
    write(best, outcome);
    return std::move(result_);
  }

 private:
  int64_t begin(int64_t g) const { return request_.offsets[g]; }
  int64_t count(int64_t g) const { return request_.offsets[g + 1] - request_.offsets[g]; }
  int own() const { return static_cast<int>(split_.own.size()); }
  int shared() const { return static_cast<int>(split_.shared.size()); }
  // Fresh starts can only tell something where they were not given.
  bool searching() const { return !request_.starts.given; }
  double row_start(int64_t s, int k) const {
    return request_.starts.given[(request_.starts.sets ? 0 : s) * p_ + k];
  }

  // Signals and the time limit, looked at between the engine's calls.
  bool stopped() {
    return cancelled_ || (options_.limits.deadline > 0 && now_seconds() > options_.limits.deadline);
  }
  // No group has a fit.
  void leave_out(Status why) {
    result_.status = why;
    for (int64_t g = 0; g < request_.groups; ++g) result_.groups.leave_out(g, why);
  }
  int64_t work() const { return request_.groups * 8; }
  FitOptions inner() {
    FitOptions options = options_;
    options.keep_starts = false;
    if (options_.limits.deadline > 0) options.max_seconds = std::max(options_.limits.deadline - now_seconds(), 1e-3);
    if (options_.poll) options.poll = [this](int64_t done, int64_t) {
      if (!cancelled_.cancelled() && !options_.poll(std::min(done_ + std::min(done, request_.groups), work()), work())) cancelled_.cancel();
      return !cancelled_.cancelled();
    };
    return options;
  }

  FitTable fits(const BatchLaw& law, const TableView& table, const int64_t* offsets, int64_t groups) {
    const BatchRequest batch{table, {law}, {request_.objective}, {{nullptr, offsets}}, groups};
    FitTable found = std::move(fit_batch(batch, inner())[0]);
    done_ += request_.groups;
    return found;
  }
  BatchLaw whole_law() const {
    BatchLaw law{request_.law, std::vector<int>(request_.law.variables), request_.lower, request_.upper, request_.guess, {}};
    law.starts.asked = request_.starts.asked;
    std::iota(law.columns.begin(), law.columns.end(), 0);
    return law;
  }

  std::vector<std::vector<double>> shared_candidates() {
    std::vector<std::vector<double>> out;
    auto add = [&](std::vector<double> values) {
      for (int c = 0; c < shared(); ++c) {
        const int k = split_.shared[c];
        if (!std::isfinite(values[c])) return;
        values[c] = std::clamp(values[c], request_.lower[k], request_.upper[k]);
      }
      if (std::find(out.begin(), out.end(), values) == out.end()) out.push_back(std::move(values));
    };
    if (request_.starts.given) {
      const int64_t starts = request_.starts.sets ? 1 : std::min<int64_t>(request_.starts.count, kMostGiven);
      for (int64_t s = 0; s < starts; ++s) {
        std::vector<double> values;
        for (int k : split_.shared) values.push_back(row_start(s, k));
        add(values);
      }
      return out;
    }
    const FitTable alone = fits(whole_law(), request_.table, request_.offsets, request_.groups);
    for (double share : {0.5, 0.25, 0.75}) add(quantiles(alone, share));
    const int64_t all[2] = {0, request_.table.rows};
    const FitTable together = fits(whole_law(), request_.table, all, 1);
    std::vector<double> pooled;
    for (int k : split_.shared) pooled.push_back(together.values[k]);
    add(pooled);
    pooled_.assign(together.values.begin(), together.values.end());
    std::vector<double> guessed = out.empty() ? std::vector<double>(shared(), 1.0) : out[0];
    bool any = out.empty();
    for (int c = 0; c < shared(); ++c)
      if (const double guess = request_.guess[split_.shared[c]]; std::isfinite(guess)) { guessed[c] = guess; any = true; }
    if (any) add(guessed);
    return out;
  }

  // Of each shared parameter over the groups that could be fitted alone.
  std::vector<double> quantiles(const FitTable& alone, double share) const {
    std::vector<double> out;
    for (int k : split_.shared) {
      std::vector<double> values;
      for (int64_t g = 0; g < alone.fits; ++g)
        if (fitted(static_cast<Status>(alone.status[g])) && std::isfinite(alone.values[g * p_ + k])) values.push_back(alone.values[g * p_ + k]);
      if (values.empty()) { out.push_back(not_a_number); continue; }
      const auto at = values.begin() + static_cast<int64_t>(share * static_cast<double>(values.size() - 1) + 0.5);
      std::nth_element(values.begin(), at, values.end());
      out.push_back(*at);
    }
    return out;
  }

  // The ordinary fits of the own parameters with the shared ones in columns.
  FitTable own_fits(const std::vector<double>& shared_values, const std::vector<double>* from) {
    std::vector<std::vector<double>> constants;
    std::vector<const double*> columns(request_.table.columns, request_.table.columns + request_.law.variables);
    for (double v : shared_values) constants.emplace_back(request_.table.rows, v);
    for (const auto& column : constants) columns.push_back(column.data());
    BatchLaw law{held_.view(), std::vector<int>(held_.variables), {}, {}, {}, {}};
    std::iota(law.columns.begin(), law.columns.end(), 0);
    for (int k : split_.own) {
      law.lower.push_back(request_.lower[k]);
      law.upper.push_back(request_.upper[k]);
      law.guess.push_back(request_.guess[k]);
    }
    law.starts.asked = request_.starts.asked;
    std::vector<double> given;
    if (from) {
      for (int64_t g = 0; g < request_.groups; ++g) for (int k : split_.own) given.push_back((*from)[g * p_ + k]);
      law.starts = {given.data(), 1, request_.groups, 0};
    } else if (request_.starts.given) {
      const int64_t starts = request_.starts.count, sets = std::max<int64_t>(request_.starts.sets, 1);
      for (int64_t s = 0; s < sets * starts; ++s) for (int k : split_.own) given.push_back(request_.starts.given[s * p_ + k]);
      law.starts = {given.data(), starts, request_.starts.sets, 0};
    }
    const TableView table{columns.data(), request_.table.y, request_.table.weight, request_.table.sigma, request_.table.rows};
    return fits(law, table, request_.offsets, request_.groups);
  }

  Candidate with_own(const std::vector<double>& shared_values) {
    const FitTable found = own_fits(shared_values, nullptr);
    Candidate out;
    out.values.assign(static_cast<size_t>(request_.groups) * p_, not_a_number);
    std::vector<int64_t> lenders, borrowers;
    for (int64_t g : members_) {
      double* at = &out.values[g * p_];
      for (int c = 0; c < shared(); ++c) at[split_.shared[c]] = shared_values[c];
      for (int i = 0; i < own(); ++i) at[split_.own[i]] = found.values[g * own() + i];
      const bool finite = std::isfinite(found.objective[g]) && std::all_of(at, at + p_, [](double v) { return std::isfinite(v); });
      (finite ? lenders : borrowers).push_back(g);
    }
    lend(out, lenders, borrowers);
    out.objective = 0;
    for (int64_t g : members_) out.objective += rows_.objective(&out.values[g * p_], {begin(g), count(g)});
    if (!std::isfinite(out.objective)) out.objective = infinity;
    return out;
  }

  // Groups of too few rows begin with the own parameters that suit them best among those of others.
  void lend(Candidate& out, const std::vector<int64_t>& lenders, const std::vector<int64_t>& borrowers) {
    const int64_t n = static_cast<int64_t>(lenders.size()), tried = std::min(n, kLenders);
    for (int64_t g : borrowers) {
      std::vector<double> trial(&out.values[g * p_], &out.values[g * p_] + p_), best = trial;
      double lowest = infinity;
      auto consider = [&](const double* from) {
        for (int k : split_.own) trial[k] = std::clamp(from[k], request_.lower[k], request_.upper[k]);
        const double f = rows_.objective(trial.data(), {begin(g), count(g)});
        if (!(f < lowest)) return;
        lowest = f;
        best = trial;
      };
      for (int64_t k = 0; k < tried; ++k) consider(&out.values[lenders[k * n / tried] * p_]);
      if (!pooled_.empty()) consider(pooled_.data());
      if (request_.starts.given)
        for (int64_t s = 0; s < request_.starts.count; ++s)
          consider(request_.starts.given + ((request_.starts.sets ? g * request_.starts.count : 0) + s) * p_);
      std::copy(best.begin(), best.end(), &out.values[g * p_]);
    }
  }

  std::vector<double> shared_of(const Candidate& at) const {
    std::vector<double> out;
    for (int k : split_.shared) out.push_back(at.values[members_[0] * p_ + k]);
    return out;
  }

  SharedOutcome go(SharedDescent& descent, Candidate& at, bool relax) {
    std::vector<double> packed;
    packed.reserve(members_.size() * p_);
    for (int64_t g : members_) packed.insert(packed.end(), &at.values[g * p_], &at.values[g * p_] + p_);
    const SharedOutcome outcome = descent.run(packed.data(), relax);
    for (size_t i = 0; i < members_.size(); ++i) std::copy_n(&packed[i * p_], p_, &at.values[members_[i] * p_]);
    at.objective = outcome.objective;
    result_.iterations += outcome.iterations;
    ++result_.n_starts;
    result_.n_converged += fitted(outcome.status);
    return outcome;
  }

  SharedOutcome descend(SharedDescent& descent, std::vector<Candidate>& found, Candidate& best) {
    SharedOutcome outcome;
    std::vector<double> ends;
    for (Candidate& candidate : found) {
      if (!std::isfinite(candidate.objective) || (stopped() && !best.values.empty())) continue;
      const SharedOutcome next = go(descent, candidate, true);
      ends.push_back(next.objective);
      const bool lower = next.objective < outcome.objective * (1 - kBetter) || (!fitted(outcome.status) && fitted(next.status) && next.objective <= outcome.objective * (1 + kBetter));
      if (!best.values.empty() && !lower) continue;
      outcome = next;
      best = candidate;
    }
    if (best.values.empty() && !found.empty()) {
      best = found[0];
      outcome.status = Status::out_of_domain;
    }
    for (double f : ends) {
      if (f <= outcome.objective * (1 + kSameBasin)) ++result_.n_best;
      else if (!(f >= result_.second_objective)) result_.second_objective = f;
    }
    return outcome;
  }

  // Takes from `best` the groups that it fits better. Is anything better than before?
  bool improve(Candidate& again, const Candidate& best) {
    bool better = false;
    again.objective = 0;
    for (int64_t g : members_) {
      const RowView range{begin(g), count(g)};
      const double now = rows_.objective(&again.values[g * p_], range), before = rows_.objective(&best.values[g * p_], range);
      if (now < before * (1 - kSameBasin) - 1e-12 * best.objective / static_cast<double>(members_.size())) better = true;
      else std::copy_n(&best.values[g * p_], p_, &again.values[g * p_]);
      again.objective += std::min(now, before);
    }
    return better;
  }

  void write(const Candidate& best, const SharedOutcome& outcome) {
    if (best.values.empty()) {
      return leave_out(cancelled_ ? Status::cancelled : stopped() ? Status::time_limit : Status::not_finite);
    }
    FitTable& out = result_.groups;
    result_.objective = outcome.objective;
    result_.gradient_norm = outcome.gradient_norm;
    result_.status = outcome.status == Status::cancelled && !cancelled_ ? Status::time_limit : outcome.status;
    const std::vector<double> shared_values = shared_of(best);
    for (int c = 0; c < shared(); ++c) {
      const int k = split_.shared[c];
      result_.shared_active[k] = bound_side(shared_values[c], request_.lower[k], request_.upper[k]);
    }
    const bool optimum = fitted(outcome.status) || outcome.status == Status::stalled;
    const FitTable own_part = optimum && !stopped() ? own_fits(shared_values, &best.values) : FitTable(own(), request_.groups);
    for (int64_t g = 0; g < request_.groups; ++g) {
      double* at = &out.values[g * p_];
      for (int c = 0; c < shared(); ++c) at[split_.shared[c]] = shared_values[c];
      for (int k = 0; k < p_; ++k) out.active[g * p_ + k] = result_.shared_active[k];
      out.iterations[g] = result_.iterations;
      out.n_starts[g] = result_.n_starts;
      out.n_converged[g] = result_.n_converged;
      out.best_share[g] = static_cast<double>(result_.n_best) / std::max(result_.n_starts, 1);
      out.second_objective[g] = result_.second_objective;
      out.status[g] = static_cast<int8_t>(count(g) ? result_.status : Status::too_few_points);
      if (count(g)) write_group(g, best, own_part, optimum);
    }
    if (optimum) look_for_shared_loss();
  }

  void write_group(int64_t g, const Candidate& best, const FitTable& own_part, bool optimum) {
    FitTable& out = result_.groups;
    double* at = &out.values[g * p_];
    bool bound = false;
    for (int k : split_.own) at[k] = best.values[g * p_ + k];
    for (int k = 0; k < p_; ++k) {
      out.active[g * p_ + k] = bound_side(at[k], request_.lower[k], request_.upper[k]);
      bound |= out.active[g * p_ + k] != 0;
    }
    out.objective[g] = rows_.objective(at, {begin(g), count(g)});
    out.gradient_norm[g] = std::max(result_.gradient_norm, 0.0);
    out.moved[g] = 1;
    if (!optimum) return;
    const Status status = static_cast<Status>(own_part.status[g]);
    for (int i = 0; i < own(); ++i)
      for (int j = 0; j < own(); ++j)
        out.tradeoff[(g * p_ + split_.own[i]) * p_ + split_.own[j]] = own_part.tradeoff[(g * own() + i) * own() + j];
    if (status == Status::too_few_points || status == Status::not_identified) out.status[g] = own_part.status[g];
    else if (fitted(result_.status)) out.status[g] = static_cast<int8_t>(bound ? Status::converged_at_bound : Status::converged);
  }

  // Shared parameters that all groups together do not determine.
  void look_for_shared_loss() {
    const SharedCovarianceRequest asked{request_.offsets, request_.groups, request_.shared, CovarianceKind::jacobian, true, nullptr, options_.threads};
    result_.shared_lost = lost_shared(law_, request_.table, request_.objective, asked, result_.groups.values.data(), result_.groups.active.data());
    if (std::none_of(result_.shared_lost.begin(), result_.shared_lost.end(), [](uint8_t lost) { return lost != 0; })) return;
    result_.status = Status::not_identified;
    for (int64_t g = 0; g < request_.groups; ++g) {
      if (!count(g)) continue;
      result_.groups.status[g] = static_cast<int8_t>(Status::not_identified);
      for (int k = 0; k < p_; ++k) if (result_.shared_lost[k]) result_.groups.tradeoff[(g * p_ + k) * p_ + k] = 1;
    }
  }

  const SharedRequest& request_;
  FitOptions options_;
  const int p_;
  const SharedSplit split_;
  const CompiledLaw law_;
  const Problem problem_;
  const TableData table_;
  RowModel rows_;
  const HeldLaw held_;
  SharedTable result_;
  std::vector<int64_t> members_;           // groups with rows
  std::vector<SharedRows> spans_;
  std::vector<double> pooled_;             // parameters of all rows together
  Cancellation cancelled_;
  int64_t done_ = 0;
};
}  // namespace

CompiledLaw shared_program(const SharedRequest& request) {
  std::vector<double> upper = request.upper;
  for (size_t k = 0; k < upper.size(); ++k) if (request.shared[k]) upper[k] = std::min(upper[k], std::numeric_limits<double>::max());
  return {request.law, request.table, request.lower, upper};
}

SharedTable fit_shared(const SharedRequest& request, const FitOptions& options) { return SharedFit(request, options).run(); }

}  // namespace lawfit
