#include "constrained.hpp"

#include <algorithm>
#include <cmath>

#include "least_squares.hpp"
#include "stages.hpp"

namespace lawfit {

namespace {
constexpr int kMostSteps = 300, kMostRestores = 30;
constexpr double kOnConstraint = 1e-14;      // relative distance from the constraint's value
constexpr double kFirstDamping = 1e-9, kDampingFloor = 1e-3, kNewtonLimit = 1e-2, kGaussDamping = 1e-3, kStuck = 1e10;
constexpr double kRounding = 1e-15;
}  // namespace

ConstrainedSolver::ConstrainedSolver(const CompiledLaw& law, const TableData& table, const ObjectiveSpec& objective, const CompiledLaw& quantity,
                                     const TableData& quantities, const std::vector<double>& lower, const std::vector<double>& upper)
    : p_(law.natural.parameters), entries_(p_ * (p_ + 1) / 2), lanes_(layout_for(table.rows) == Layout::points ? 1 : W),
      priors_(law.priors),
      lower_(lower), upper_(upper), table_(table), quantities_(quantities),
      law_(law.natural, objective.space, objective.loss, std::max<int64_t>(table.rows, 1),
           !table.weight.empty() || layout_for(table.rows) == Layout::points, !table.inverse_sigma.empty(), layout_for(table.rows)),
      quantity_(quantity.natural, Space::linear, Loss::squared, 1, false, false, Layout::problems),
      arena_(2 * p_ + 1 + entries_ + 2 * sum_vectors(p_)) {
  theta_ = arena_.take_vectors(p_);
  value_ = arena_.take_vectors(1);
  slope_ = arena_.take_vectors(p_);
  curvature_ = arena_.take_vectors(entries_);
  sums_ = make_sums(arena_.take_vectors(sum_vectors(p_)), p_, true);
  unused_ = make_sums(arena_.take_vectors(sum_vectors(p_)), p_, true);
  for (Lane& lane : lane_) {
    for (auto* v : {&lane.theta, &lane.trial, &lane.gradient, &lane.slope, &lane.step, &lane.trial_slope}) v->assign(p_, 0.0);
    for (auto* v : {&lane.majorised, &lane.second, &lane.curvature, &lane.trial_curvature}) v->assign(entries_, 0.0);
  }
  for (int l = 0; l < (lanes_ == 1 ? 1 : W); ++l) law_.load_lane(l, table_, 0, table_.rows, nullptr, nullptr);
}

void ConstrainedSolver::run(ConstrainedJob* jobs, int count, Cancellation& cancelled) {
  for (int l = 0; l < W; ++l) {
    Lane& lane = lane_[l];
    // Idle lanes repeat the first job's point, so that they never leave the domain on their own.
    const ConstrainedJob& job = jobs[std::min(l, count - 1)];
    quantity_.load_lane(l, quantities_, job.quantity, 1, nullptr, nullptr);
    std::copy_n(job.parameters, p_, lane.theta.begin());
    lane.trial = lane.theta;
    lane.busy = lane.fresh = l < count;
    lane.job = lane.busy ? &jobs[l] : nullptr;
    lane.numbers = job.numbers;
    lane.newton = true;
    lane.slow = lane.failures = lane.steps = 0;
    lane.patience = 1;
    lane.lambda = kFirstDamping;
    lane.objective = infinity;
  }
  look_at_quantities();
  for (Lane& lane : lane_) {
    lane.slope = lane.trial_slope;
    if (lane.busy) choose_pivot(lane);
  }
  auto busy = [&] { return std::any_of(lane_, lane_ + W, [](const Lane& lane) { return lane.busy; }); };
  while (busy() && !cancelled) {
    restore();
    for (int l = 0; l < W; ++l)
      for (int i = 0; i < p_; ++i) theta_[i][l] = lane_[lanes_ == 1 ? 0 : l].trial[i];
    law_.evaluate(Tier::hessian, theta_, shape(), sums_);
    add_priors(priors_, Tier::hessian, theta_, sums_);
    for (int l = 0; l < W; ++l) {
      Lane& lane = lane_[l];
      if (!lane.busy) continue;
      const double objective = std::isnan(lane.trial[0]) ? infinity : sums_.value[0][l];
      const bool better = std::isfinite(objective) && objective < lane.objective;
      if (better) take(l);
      judge(lane, better ? objective : infinity);
      while (lane.busy && ++lane.steps <= kMostSteps) {   // a matrix that fails costs no evaluation
        propose(lane);
        if (!lane.busy || !std::isnan(lane.predicted)) break;
      }
      if (lane.busy && lane.steps > kMostSteps) finish(lane, false);
    }
  }
  for (Lane& lane : lane_) if (lane.busy) finish(lane, false);
}

LossShape ConstrainedSolver::shape() const {
  V scale, tail;
  for (int l = 0; l < W; ++l) {
    const LossNumbers& numbers = lane_[lanes_ == 1 ? 0 : l].numbers;
    scale[l] = numbers.scale;
    tail[l] = numbers.tail;
  }
  return LossShape::of(scale, tail);
}

// Values and derivatives of every lane's quantity at its trial point.
void ConstrainedSolver::look_at_quantities() {
  for (int l = 0; l < W; ++l)
    for (int i = 0; i < p_; ++i) theta_[i][l] = lane_[l].trial[i];
  quantity_.evaluate(Tier::hessian, theta_, LossShape::of(broadcast(1.0), broadcast(0.5)), unused_);
  quantity_.first_row(value_, slope_, curvature_);
  for (int l = 0; l < W; ++l) {
    Lane& lane = lane_[l];
    if (!lane.busy) continue;
    for (int i = 0; i < p_; ++i) lane.trial_slope[i] = slope_[i][l];
    for (int e = 0; e < entries_; ++e) lane.trial_curvature[e] = curvature_[e][l];
  }
}

// Moves every trial's pivot until the quantity has its value; NaN where that fails.
void ConstrainedSolver::restore() {
  double last[W];
  bool open[W];
  for (int l = 0; l < W; ++l) {
    last[l] = infinity;
    open[l] = lane_[l].busy;
  }
  for (int round = 0; round < kMostRestores; ++round) {
    look_at_quantities();
    bool any = false;
    for (int l = 0; l < W; ++l) {
      if (!open[l]) continue;
      Lane& lane = lane_[l];
      const int j = lane.pivot;
      const double off = (*value_)[l] - lane.job->value, size = std::fabs(lane.job->value) + std::fabs((*value_)[l]);
      const double change = off / lane.trial_slope[j];
      const bool near = std::fabs(off) <= kOnConstraint * size || std::fabs(change) <= 1e-16 * std::fabs(lane.trial[j]);
      const bool idle = std::fabs(off) <= 1e-9 * size && std::fabs(off) >= 0.5 * last[l];   // rounding: no nearer
      last[l] = std::fabs(off);
      open[l] = false;
      if (near || idle) {
        if (lane.trial[j] < lower_[j] || lane.trial[j] > upper_[j]) lane.trial.assign(p_, not_a_number);
        continue;
      }
      lane.trial[j] -= change;
      if (!std::isfinite(lane.trial[j]) || round + 1 == kMostRestores) lane.trial.assign(p_, not_a_number);
      else open[l] = any = true;
    }
    if (!any) break;
  }
}

void ConstrainedSolver::take(int l) {
  Lane& lane = lane_[l];
  lane.theta = lane.trial;
  lane.slope = lane.trial_slope;
  lane.curvature = lane.trial_curvature;
  for (int i = 0; i < p_; ++i) lane.gradient[i] = sums_.gradient[i][l];
  for (int e = 0; e < entries_; ++e) {
    lane.majorised[e] = sums_.majorised[e][l];
    lane.second[e] = sums_.second[e][l];
  }
}

// The pivot is the parameter whose own scatter moves the quantity most, off its bounds if possible.
void ConstrainedSolver::choose_pivot(Lane& lane) const {
  double best = -1;
  for (int i = 0; i < p_; ++i) {
    const double curvature = lane.fresh ? 0 : entry(lane.majorised, i, i);
    const double reach = curvature > 0 ? 1 / std::sqrt(curvature) : std::max(std::fabs(lane.theta[i]), 1e-300);
    const bool inside = lane.theta[i] > lower_[i] && lane.theta[i] < upper_[i];
    const double weight = std::fabs(lane.slope[i]) * reach * (inside ? 1 : 1e-6);
    if (weight > best) {
      best = weight;
      lane.pivot = i;
    }
  }
}

void ConstrainedSolver::finish(Lane& lane, bool solved) {
  lane.busy = false;
  lane.job->solved = solved;
  lane.job->objective = lane.objective;
  std::copy(lane.theta.begin(), lane.theta.end(), lane.job->parameters);
  const double multiplier = -lane.gradient[lane.pivot] / lane.slope[lane.pivot];
  for (int i = 0; lane.job->active && i < p_; ++i) lane.job->active[i] = i == lane.pivot ? 0 : pressed(lane, i);
  if (lane.job->normal) std::copy(lane.slope.begin(), lane.slope.end(), lane.job->normal);
  for (int e = 0; lane.job->second && e < entries_; ++e) lane.job->second[e] = lane.second[e] + multiplier * lane.curvature[e];
}

int8_t ConstrainedSolver::pressed(const Lane& lane, int i) const {
  const double r = lane.gradient[i] - lane.gradient[lane.pivot] / lane.slope[lane.pivot] * lane.slope[i];
  return lane.theta[i] <= lower_[i] && r > 0 ? -1 : lane.theta[i] >= upper_[i] && r < 0 ? 1 : 0;
}

// The damping's answer to the trial just evaluated.
void ConstrainedSolver::judge(Lane& lane, double objective) {
  if (lane.fresh) {
    lane.fresh = false;
    lane.objective = objective;
    if (!std::isfinite(objective)) finish(lane, false);
    else choose_pivot(lane);
    return;
  }
  if (!std::isfinite(objective)) {   // rejected
    ++lane.failures;
    lane.lambda = std::max(lane.lambda * 4 * lane.failures, kDampingFloor);
    if (lane.newton && lane.lambda > kNewtonLimit) {
      lane.newton = false;
      lane.slow = 0;
      lane.patience = std::min(2 * lane.patience, 32);
      lane.lambda = kGaussDamping;
    }
    return;
  }
  const double gain = (lane.objective - objective) / lane.predicted;
  lane.objective = objective;
  lane.failures = 0;
  const double t = 2 * gain - 1;
  lane.lambda = std::max(lane.lambda * std::clamp(1 - t * t * t, 0.1, 2.0), 1e-15);
  if (!lane.newton && gain > 0.25 && ++lane.slow >= lane.patience) {
    lane.newton = true;
    lane.lambda = kFirstDamping;
  }
  choose_pivot(lane);
}

// Entry of Z'MZ, where column i of Z moves parameter i and the pivot along the constraint.
double ConstrainedSolver::reduced(const std::vector<double>& m, const Lane& lane, int i, int k) const {
  const int j = lane.pivot;
  const double u = lane.slope[i] / lane.slope[j], v = lane.slope[k] / lane.slope[j];
  return entry(m, i, k) - u * entry(m, j, k) - v * entry(m, i, j) + u * v * entry(m, j, j);
}

// The next trial; `predicted` is NaN when the matrix has to be damped more first.
void ConstrainedSolver::propose(Lane& lane) {
  const int j = lane.pivot;
  moving_.clear();
  for (int i = 0; i < p_; ++i) {
    if (i == j) continue;
    if (!pressed(lane, i) && reduced(lane.majorised, lane, i, i) > 0) moving_.push_back(i);
  }
  if (!std::isfinite(lane.slope[j]) || lane.slope[j] == 0) return finish(lane, false);
  if (moving_.empty()) return finish(lane, true);
  if (!solve(lane, lane.newton)) {
    lane.predicted = not_a_number;
    if (lane.newton) {
      lane.newton = false;
      lane.slow = 0;
      lane.lambda = kGaussDamping;
    } else {
      lane.lambda = std::max(lane.lambda * 10, kDampingFloor);
      if (lane.lambda > kStuck) finish(lane, false);
    }
    return;
  }
  const double noise = kRounding * lane.objective;
  if (lane.newton && lane.lambda <= kNewtonLimit && lane.predicted <= std::max(lane.job->enough, noise)) return finish(lane, true);
  if (lane.lambda > kStuck || (lane.failures >= 4 && lane.predicted <= std::max(100 * lane.job->enough, 10 * noise)))
    return finish(lane, lane.predicted <= std::max(1e4 * lane.job->enough, 10 * noise));
}

// Damped step on the constraint's tangent; false unless the matrix is positive definite.
bool ConstrainedSolver::solve(Lane& lane, bool newton) {
  const int q = static_cast<int>(moving_.size()), j = lane.pivot;
  const double multiplier = -lane.gradient[j] / lane.slope[j];
  std::vector<double>&a = system_, &x = right_;
  a.resize(static_cast<size_t>(q) * q);
  x.resize(q);
  for (int r = 0; r < q; ++r) {
    const int i = moving_[r];
    x[r] = -(lane.gradient[i] + multiplier * lane.slope[i]);
    for (int c = 0; c <= r; ++c) {
      const int k = moving_[c];
      double m = newton ? reduced(lane.second, lane, i, k) + multiplier * reduced(lane.curvature, lane, i, k) : reduced(lane.majorised, lane, i, k);
      if (r == c) m += lane.lambda * reduced(lane.majorised, lane, i, i);
      a[r * q + c] = m;
    }
  }
  std::vector<double>& step = lane.step;
  for (int r = 0; r < q; ++r) step[r] = x[r];
  if (!factor_definite(q, a.data())) return false;
  solve_lower(q, a.data(), step.data());
  double squares = 0;
  for (int r = 0; r < q; ++r) squares += step[r] * step[r];
  solve_transposed(q, a.data(), step.data());
  lane.predicted = 0.5 * squares;   // to the order of the damping, which is all it is used for
  lane.trial = lane.theta;
  for (int r = 0; r < q; ++r) {
    const int i = moving_[r];
    const double to = std::clamp(lane.theta[i] + step[r], lower_[i], upper_[i]);
    lane.trial[j] -= lane.slope[i] / lane.slope[j] * (to - lane.theta[i]);
    lane.trial[i] = to;
  }
  return std::isfinite(squares);
}

}  // namespace lawfit
