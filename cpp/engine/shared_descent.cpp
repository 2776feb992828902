#include "shared_descent.hpp"

#include <algorithm>
#include <cmath>

#include "clock.hpp"
#include "least_squares.hpp"
#include "solver_constants.hpp"
#include "stages.hpp"

namespace lawfit {

namespace {
constexpr int kAttempts = 40;              // factorisations for one step
constexpr double kStuck = 1e12;            // damping that no longer leads anywhere
constexpr double kWorth = 1e-5;            // relative decrease or step from which a smaller scale is worth more
constexpr int kMostAtScale = 25;           // steps at one scale
constexpr double kPoorModel = 0.75;        // of a group's modelled change: error beyond which its steps are damped
constexpr double kShareOfTypical = 1e-6;   // of the mean objective of a group: residuals that have no direction of their own
}  // namespace

SharedDescent::SharedDescent(const Problem& problem, const std::vector<char>& is_shared, const TableData& table, const std::vector<SharedRows>& groups,
                             const Limits& limits, int threads, std::function<bool()> keep_going)
    : problem_(problem), units_(problem, is_shared, table, groups, threads), limits_(limits), keep_going_(std::move(keep_going)),
      step_(units_.shared(), 0.0) {}

LossShape SharedDescent::shape() const { return {broadcast(scale_), broadcast(problem_.tail), broadcast(reach_)}; }

SharedOutcome SharedDescent::run(double* values, bool relax) {
  outcome_ = {};
  done_ = stretched_ = false;
  fresh_ = newton_ = true;
  objective_ = size_ = last_size_ = infinity;
  lambda_ = kFirstDampingFinish;
  growth_ = 4;
  blind_ = at_scale_ = gauss_steps_ = 0;
  patience_ = 1;
  scale_ = reach_ = target_scale_ = problem_.scale;
  units_.place(values);
  units_.evaluate(shape());
  if (relax) {
    const double sum = units_.total([](const SharedUnit& u) { return u.next.value[0]; });
    const double spread = typical_residual(problem_.loss, scale_, sum / std::max(units_.weight_total(), 1e-300));
    scale_ = reach_ = std::max(target_scale_, first_scale(problem_.loss, problem_.scale, std::isfinite(spread) ? spread : 0, 0));
    if (scale_ > target_scale_) units_.evaluate(shape());
  }
  judge();
  while (!done_) {
    if (!step()) break;
    if (scale_ > target_scale_ && (predicted_ <= kWorth * objective_ || size_ <= kWorth || at_scale_ >= kMostAtScale)) {
      relax_scale();
      continue;
    }
    if (scale_ <= target_scale_ && converged()) break;
    units_.evaluate(shape());
    judge();
    if (!done_) stop_limits();
  }
  units_.read(values);
  outcome_.objective = objective_;
  outcome_.gradient_norm = std::isfinite(objective_) ? cosine() : infinity;
  if (outcome_.status == Status::converged && at_bound()) outcome_.status = Status::converged_at_bound;
  return outcome_;
}

// The small system; parameters that are `held` make a given step. False unless it is definite.
bool SharedDescent::solve_shared(const std::vector<char>& held, const std::vector<double>& given) {
  const int m = units_.shared();
  std::vector<double>&a = factor_;
  a = units_.matrix;
  for (int i = 0; i < m; ++i) {
    step_[i] = held[i] ? given[i] : units_.right[i];
    for (int j = 0; j < m && !held[i]; ++j) if (held[j]) step_[i] -= units_.matrix[i * m + j] * given[j];
    for (int j = 0; j < m; ++j) if (held[i] || held[j]) a[i * m + j] = i == j ? 1 : 0;
  }
  if (!factor_definite(m, a.data())) return false;
  solve_lower(m, a.data(), step_.data());
  solve_transposed(m, a.data(), step_.data());
  return true;
}

// What is left after elimination is no minimum's: reweighted steps take over in every group.
void SharedDescent::leave_newton() {
  newton_ = false;
  patience_ = std::min(2 * patience_, 32);
  gauss_steps_ = 0;
  lambda_ = kGaussDamping;
  for (SharedUnit& unit : units_.units()) unit.newton = broadcast_bits(0);
}

// The next step, within the bounds; false when there is none.
bool SharedDescent::step() {
  const int m = units_.shared();
  std::vector<char> held(m, 0);
  std::vector<double> given(m, 0.0);
  for (int c = 0; c < m; ++c) {
    const int k = split().shared[c], e = k * (k + 1) / 2 + k;
    const double g = units_.total([&](const SharedUnit& u) { return u.now.gradient[k]; });
    const double curvature = units_.total([&](const SharedUnit& u) { return u.now.majorised[e]; });
    const double at = shared_value(c);
    held[c] = (curvature == 0 && g == 0) || (at <= problem_.lower[k] && g > 0) || (at >= problem_.upper[k] && g < 0);
  }
  units_.hold_pressed();
  for (int attempt = 0; attempt < kAttempts; ++attempt) {
    units_.eliminate(lambda_);
    if (!solve_shared(held, given)) {
      if (newton_) leave_newton();
      else lambda_ = std::max(lambda_ * 10, kDampingFloorFinish);
      if (lambda_ > kStuck) break;
      continue;
    }
    bool again = false;
    for (int c = 0; c < m; ++c) {
      const int k = split().shared[c];
      const double at = shared_value(c), to = at + step_[c], stop = to < problem_.lower[k] ? problem_.lower[k] : problem_.upper[k];
      if (held[c] || (to >= problem_.lower[k] && to <= problem_.upper[k])) continue;
      held[c] = again = true;
      given[c] = stop - at;
    }
    if (again) continue;
    if (!units_.own_steps(step_)) break;
  }
  if (lambda_ > kStuck) {
    end(Status::stalled);
    return false;
  }
  units_.trial_points();
  predicted_ = units_.total([](const SharedUnit& u) { return u.predicted; });
  last_size_ = size_;
  size_ = largest_size() * (1 + lambda_);
  return true;
}

double SharedDescent::largest_size() const {
  double largest = 0;
  for (const SharedUnit& unit : units_.units())
    for (int lane = 0; lane < unit.lanes; ++lane) largest = std::max(largest, unit.size[lane] * (1 + std::min(unit.lambda[lane], 1e3)));
  return largest;
}

// Differences of the objective below this are rounding.
double SharedDescent::noise() const {
  return 4 * kRounding * (objective_ + units_.total([](const SharedUnit& u) { return u.now.sensitivity[0]; }));
}

// Largest cosine between a group's residuals and the columns of its own parameters.
V SharedDescent::cosines(const SharedUnit& unit) const {
  const V zero{};
  V largest{};
  const double typical = kShareOfTypical * objective_ / std::max(units_.weight_total(), 1e-300);
  const V size = fma(broadcast(kPerfect * kPerfect), unit.now.energy[0], broadcast(2.0) * (unit.now.value[0] + broadcast(typical)));
  for (int k : split().own) {
    const V g = unit.now.gradient[k], m = unit.now.majorised[k * (k + 1) / 2 + k];
    const L free = (m > zero) & ~((unit.theta[k] <= broadcast(problem_.lower[k])) & (g > zero)) & ~((unit.theta[k] >= broadcast(problem_.upper[k])) & (g < zero));
    largest = vmax(largest, select(free, (g / m) * (g / size), zero));
  }
  return vsqrt(largest);
}

double SharedDescent::cosine() const {
  double largest = 0;
  for (const SharedUnit& unit : units_.units()) {
    const V own = cosines(unit);
    for (int lane = 0; lane < unit.lanes; ++lane) largest = std::max(largest, own[lane]);
  }
  const double energy = units_.total([](const SharedUnit& u) { return u.now.energy[0]; });
  const double size = kPerfect * kPerfect * energy + 2 * objective_;
  for (int c = 0; c < units_.shared(); ++c) {
    const int k = split().shared[c];
    const double g = units_.total([&](const SharedUnit& u) { return u.now.gradient[k]; });
    const double m = units_.total([&](const SharedUnit& u) { return u.now.majorised[k * (k + 1) / 2 + k]; });
    const double at = shared_value(c);
    if (!(m > 0) || (at <= problem_.lower[k] && g > 0) || (at >= problem_.upper[k] && g < 0)) continue;
    largest = std::max(largest, std::sqrt(g / m * (g / size)));
  }
  return largest;
}

void SharedDescent::relax_scale() {
  reach_ = scale_;   // the rows inside the old scale are taken along
  scale_ = std::max(scale_ * kScaleFactor, target_scale_);
  at_scale_ = blind_ = 0;
  lambda_ = kFirstDampingFinish;
  for (SharedUnit& unit : units_.units()) {
    std::copy_n(unit.theta, problem_.parameters(), unit.trial);
    unit.lambda = broadcast(kFirstDampingFinish);
  }
  fresh_ = true;
  units_.evaluate(shape());
  judge();
}

void SharedDescent::take_last_step() {
  for (SharedUnit& unit : units_.units()) std::copy_n(unit.trial, problem_.parameters(), unit.theta);
}

void SharedDescent::stop_limits() {
  if (outcome_.iterations >= limits_.finish_iterations) end(Status::iteration_limit);
  if (!keep_going_()) end(Status::cancelled);
  else if (limits_.deadline > 0 && now_seconds() > limits_.deadline) end(Status::time_limit);
  else if (lambda_ >= kStuck) end(size_ <= kStalledSize && cosine() <= kOrthogonal ? Status::converged : Status::stalled);
}

// Judged on the step about to be taken, never on the decrease of the objective.
bool SharedDescent::converged() {
  const bool small = size_ <= limits_.tolerance && lambda_ <= 1e-2;
  if (predicted_ <= 4 * noise()) ++blind_;   // below the rounding of the objective: trust the steps while they shrink
  const bool exhausted = (blind_ >= 3 && size_ >= 0.5 * last_size_) || blind_ >= 12;
  if (!small && !exhausted) return false;
  const bool aligned = cosine() <= kOrthogonal;
  if (small && aligned) {
    take_last_step();
    end(Status::converged);
  } else if (exhausted) {
    end(size_ <= kStalledSize && aligned ? Status::converged : Status::stalled);
  }
  return done_;
}

// The damping's answer to the trial just evaluated, group by group.
void SharedDescent::judge() {
  const double value = units_.total([](const SharedUnit& u) { return u.next.value[0]; });
  const bool finite = std::isfinite(value);
  ++outcome_.iterations;
  if (fresh_) {
    if (!finite) return end(Status::out_of_domain);
    units_.accept();
    objective_ = value;
    stretched_ = reach_ > scale_;
    fresh_ = false;
    reach_ = scale_;
    return;
  }
  ++at_scale_;
  const bool better = finite && value < objective_ + (blind_ > 0 ? noise() : 0);
  const double gain = (objective_ - value) / predicted_;
  for (SharedUnit& unit : units_.units()) {
    // What a group's own model got wrong, of what it said; groups whose model holds are not to blame.
    const V error = unit.next.value[0] - (unit.now.value[0] - unit.predicted);
    const L bad = ~(error <= broadcast(kPoorModel) * unit.modelled + broadcast(4 * kRounding) * (unit.now.value[0] + unit.now.sensitivity[0]));
    if (better) {
      const L good = ~bad;
      unit.lambda = select(good, vmax(unit.lambda * broadcast(0.1), broadcast(Damping::kLeast)), unit.lambda * broadcast(2.0));
      unit.gauss_steps = select(good & ~unit.newton, unit.gauss_steps + broadcast(1.0), unit.gauss_steps);
      const L ready = good & ~unit.newton & (unit.gauss_steps >= unit.patience) & broadcast_bits(newton_ ? -1 : 0);
      unit.newton |= ready;
      unit.lambda = select(ready, broadcast(kFirstDampingFinish), unit.lambda);
    } else {
      const L leave = bad & unit.newton & (unit.lambda >= broadcast(kNewtonLimit));
      unit.newton &= ~leave;
      unit.patience = select(leave, vmin(unit.patience * broadcast(2.0), broadcast(32.0)), unit.patience);
      unit.gauss_steps = select(leave, V{}, unit.gauss_steps);
      unit.lambda = select(leave, broadcast(kGaussDamping), select(bad, vmin(vmax(unit.lambda * broadcast(growth_), broadcast(kDampingFloorFinish)), broadcast(Damping::kMost)), unit.lambda));
    }
  }
  if (better) {
    for (const SharedUnit& unit : units_.units())
      for (int i = 0; i < problem_.parameters() && !outcome_.moved; ++i)
        for (int lane = 0; lane < unit.lanes; ++lane) outcome_.moved |= unit.trial[i][lane] != unit.theta[i][lane];
    units_.accept();
    objective_ = value;
    const double t = 2 * gain - 1;
    lambda_ = std::max(lambda_ * (gain == gain ? std::clamp(1 - t * t * t, 0.1, 2.0) : 1.0), Damping::kLeast);
    growth_ = 4;
    stretched_ = false;
    if (!newton_ && gain >= 0.25 && ++gauss_steps_ >= patience_) {
      newton_ = true;
      lambda_ = kFirstDampingFinish;
    }
    return;
  }
  lambda_ = std::max(lambda_ * growth_, kDampingFloorFinish);
  growth_ = std::min(2 * growth_, 64.0);
  if (newton_ && lambda_ >= 1e4 * kNewtonLimit) leave_newton();
  if (stretched_) {   // those derivatives took the old inside rows along and are not the loss's own
    for (SharedUnit& unit : units_.units()) std::copy_n(unit.theta, problem_.parameters(), unit.trial);
    stretched_ = false;
    fresh_ = true;
    units_.evaluate(shape());
    judge();
  }
}

bool SharedDescent::at_bound() const {
  for (const SharedUnit& unit : units_.units())
    for (int i = 0; i < problem_.parameters(); ++i)
      for (int lane = 0; lane < unit.lanes; ++lane)
        if (unit.theta[i][lane] <= problem_.lower[i] || unit.theta[i][lane] >= problem_.upper[i]) return true;
  return false;
}

void SharedDescent::groups(double* objective, double* gradient_norm) const {
  for (const SharedUnit& unit : units_.units()) {
    const V own = cosines(unit);
    for (int lane = 0; lane < unit.lanes; ++lane) {
      objective[units_.group_of(unit, lane)] = unit.now.value[0][lane];
      gradient_norm[units_.group_of(unit, lane)] = own[lane];
    }
  }
}

}  // namespace lawfit
