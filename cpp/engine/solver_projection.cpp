// Variable projection: a trial whose nonlinear part went somewhere good may be spoilt by its linear
// part, which one linear solve puts right. Where that is not exact, far steps are projected before
// they are tried, and lanes make detours: points to try out of turn, after a failed step, before an
// exponent of zero, and ahead in a long valley.
#include <algorithm>

#include "cholesky.hpp"
#include "lane_solver.hpp"
#include "solver_constants.hpp"

namespace lawfit {

// The change of the linear parameters that the sums at the trial point ask for, in rhs_; returns the
// lanes that have one.
template <int kP> L LaneSolver<kP>::solve_linear() {
  const int n = static_cast<int>(linear_.size());
  for (int i = 0, e = 0; i < n; ++i) {
    rhs_[i] = -next_.gradient[linear_[i]];
    for (int j = 0; j <= i; ++j, ++e) factor_[e] = next_.majorised[linear_[i] * (linear_[i] + 1) / 2 + linear_[j]];
  }
  return cholesky_solve(n, factor_, rhs_);
}

// Lanes whose trial point keeps to its bounds when its linear part moves by what solve_linear() found.
template <int kP> L LaneSolver<kP>::stays_inside(L lanes) const {
  for (size_t k = 0; k < linear_.size(); ++k) {
    const int i = linear_[k];
    const V to = trial_[i] + rhs_[k];
    lanes &= (to >= lower_[i]) & (to <= upper_[i]);
  }
  return lanes;
}

// The objective at the trial point once its linear part has moved so.
template <int kP> V LaneSolver<kP>::projected_value() const {
  V value = next_.value[0];
  for (size_t k = 0; k < linear_.size(); ++k) value = fma(broadcast(0.5) * next_.gradient[linear_[k]], rhs_[k], value);
  return value;
}

// Lanes where that may be lower than what they have, even if it promises but half of what it brings.
template <int kP> L LaneSolver<kP>::may_be_lower() const {
  return broadcast(2.0) * projected_value() - next_.value[0] < objective_;
}

template <int kP> void LaneSolver<kP>::move_linear(L lanes) {
  for (size_t k = 0; k < linear_.size(); ++k) {
    V& linear = trial_[linear_[k]];
    linear = select(lanes, linear + rhs_[k], linear);
  }
}

// Where it is exact or bounded by the majoriser. Returns the lanes it rescued, with the projected
// parameters in trial_ and the (bound of the) objective there in `value`.
template <int kP> L LaneSolver<kP>::project_linear(L candidates, V& value) {
  L inside = stays_inside(solve_linear() & candidates);
  const V lower = projected_value();
  // The projected objective is a difference; where that cancels it says nothing.
  inside &= (lower < objective_ * broadcast(1 - 1e-9)) & (lower < value) & (lower > value * broadcast(1e-9));
  move_linear(inside);
  value = select(inside, lower, value);
  return inside;
}

// Far from an optimum a step is a guess at the nonlinear parameters; the linear ones of its end are
// solved for on linearised residuals before it is tried.
template <int kP> void LaneSolver<kP>::project_trial() {
  L lanes = busy_ & ~fresh_ & ~detour_ & definite_ & (detour_wait_ <= broadcast(0.0));
  if (any(lanes)) lanes &= went_far();
  if (!any(lanes)) return;
  evaluator_.evaluate_linearised(trial_, {scale_, tail_, reach_}, next_);
  projected_ = stays_inside(solve_linear() & lanes);
  move_linear(projected_);
}

// Elsewhere the linearised residuals say what the linear part may be: the next evaluation of the
// lane goes there instead of taking a step. `failed`: lanes whose step was refused.
template <int kP> void LaneSolver<kP>::plan_detours(L failed) {
  const V zero = broadcast(0.0);
  detour_wait_ = vmax(detour_wait_ - broadcast(1.0), zero);
  const L ready = busy_ & ~fresh_ & ~cautious_ & ~detour_ & (detour_wait_ <= zero);
  const L stuck = ready & (iterations_ >= broadcast(kUnderWay));
  const L across = any(stuck) ? plan_crossings(stuck) : broadcast_bits(0), leap = plan_leaps(ready & ~across);
  const L astray = retraces_ ? failed & ready & ~across & ~leap & went_far() : broadcast_bits(0);
  const L lanes = across | leap | astray;
  if (!any(lanes)) return;
  leaping_ = (leaping_ & ~lanes) | leap;
  for (int i = 0; i < p_; ++i) detour_point_[i] = select(astray, trial_[i], detour_point_[i]);
  // Where a step has not gone far astray the loss's own derivatives at its end will do.
  const L nearby = stage_ == Stage::finish ? astray & (next_.value[0] < broadcast(kNearby) * objective_) : broadcast_bits(0), distant = lanes & ~nearby;
  if (any(nearby)) detour_ |= turn_linear(solve_linear() & may_be_lower() & nearby);
  if (any(distant)) {
    evaluator_.evaluate_linearised(detour_point_, {scale_, tail_, reach_}, next_);
    detour_ |= turn_linear(solve_linear() & distant);
  }
  detour_tries_ = select(lanes, zero, detour_tries_);
  wait_longer(lanes);
}

// Each one that leads nowhere makes the next one rarer.
template <int kP> void LaneSolver<kP>::wait_longer(L lanes) {
  detour_gap_ = select(lanes, fma(broadcast(2.0), detour_gap_, broadcast(1.0)), detour_gap_);
  detour_wait_ = select(lanes, detour_gap_, detour_wait_);
}

// Lanes whose trial point differs in its nonlinear part by more than the last digits of an optimum.
template <int kP> L LaneSolver<kP>::went_far() const {
  L far = broadcast_bits(0);
  for (int i = 0; i < p_; ++i)
    if (!problem_.linear[i]) far |= vabs(trial_[i] - theta_[i]) > broadcast(kFarStep) * unit(i);
  return far;
}

// A term whose exponent vanishes becomes one with the offset, and both run off to infinity: steps get
// neither across zero nor away from it, where the law may well have its optimum. Returns the lanes
// that stand before zero, with a point well to one side of it in detour_point_.
template <int kP> L LaneSolver<kP>::plan_crossings(L ready) {
  L across = broadcast_bits(0);
  for (int i : exponents_) across |= ready & before_zero(i);
  if (!any(across)) return across;
  for (int i = 0; i < p_; ++i) detour_point_[i] = select(across, theta_[i], detour_point_[i]);
  for (int i : exponents_) detour_point_[i] = select(across & before_zero(i), beyond_zero(i), detour_point_[i]);
  side_ = select(across, -side_, side_);
  return across;
}

// The side that the last step made for, and the other one the next time.
template <int kP> V LaneSolver<kP>::beyond_zero(int i) const {
  const V heading = select(step_[i] == broadcast(0.0), -theta_[i], step_[i]) * side_;
  return copysign(broadcast(kBeyondZero * problem_.typical[i]), heading);
}

template <int kP> L LaneSolver<kP>::before_zero(int i) const {
  const L near = vabs(theta_[i]) < broadcast(kBeforeZero * problem_.typical[i]);
  if (!any(near)) return near;
  const V beyond = beyond_zero(i);
  return near & (beyond >= lower_[i]) & (beyond <= upper_[i]);
}

// Along a curved valley steps are short. Every so often a lane that is still under way tries to go a
// multiple of what it went since it last looked. Returns these lanes, with the point in detour_point_.
template <int kP> L LaneSolver<kP>::plan_leaps(L ready) {
  if (!problem_.leaps) return broadcast_bits(0);
  const L looks = busy_ & ~fresh_ & (iterations_ >= milestone_at_ + broadcast(kStretch));
  if (!any(looks)) return looks;
  const L leap = looks & ready & (milestone_at_ > broadcast(kPatience)) & (size_ > broadcast(kLeastStride));
  for (int i = 0; i < p_; ++i) {
    V to = theta_[i] + detour_reach_ * (theta_[i] - milestone_[i]);
    if (problem_.multiplies(i)) {
      const V ratio = theta_[i] / milestone_[i];
      to = select(ratio > broadcast(0.0), theta_[i] * v_exp(detour_reach_ * v_log(ratio)), to);
    }
    detour_point_[i] = select(leap, vmin(vmax(to, lower_[i]), upper_[i]), detour_point_[i]);
    milestone_[i] = select(looks, theta_[i], milestone_[i]);
  }
  milestone_at_ = select(looks, iterations_, milestone_at_);
  return leap;
}

// The linear part of these detours moves by what solve_linear() found. Returns the lanes where it
// can: a positive amplitude that would have to vanish could never come back.
template <int kP> L LaneSolver<kP>::turn_linear(L lanes) {
  for (size_t k = 0; k < linear_.size(); ++k) {
    const int i = linear_[k];
    const V to = detour_point_[i] + rhs_[k];
    if (problem_.log_metric[i]) lanes &= (to > lower_[i]) & (to <= upper_[i]);
    detour_point_[i] = select(lanes, vmin(vmax(to, lower_[i]), upper_[i]), detour_point_[i]);
  }
  return lanes;
}

// A detour that is no better yet may be so once the loss itself has had its say on the linear part.
template <int kP> void LaneSolver<kP>::judge_detours(L tried, L better) {
  const L arrived = tried & better;
  detour_tries_ = select(tried, detour_tries_ + broadcast(1.0), detour_tries_);
  L on = tried & ~better & (detour_tries_ < broadcast(kDetourTries));
  if (any(on)) {
    on &= solve_linear() & may_be_lower();
    on = turn_linear(on);
  }
  detour_ = (detour_ & ~tried) | on;
  detour_reach_ = select(tried & ~better & ~on & leaping_, vmax(detour_reach_ * broadcast(kShorterLeap), broadcast(kLeastLeap)), detour_reach_);
  if (!any(arrived)) return;
  detour_wait_ = select(arrived, broadcast(0.0), detour_wait_);
  detour_gap_ = select(arrived, broadcast(0.0), detour_gap_);
  detour_reach_ = select(arrived & leaping_, vmin(detour_reach_ * broadcast(2.0), broadcast(kLongestLeap)), detour_reach_);
  if (stage_ == Stage::far) {
    damping_.reset(arrived, kFirstDampingFar);
  } else {
    leave_newton(arrived);
    widen_scale(arrived);
  }
}

// The way from where a detour led is as long as from a start: its kinks are softened as there.
template <int kP> void LaneSolver<kP>::widen_scale(L lanes) {
  for (int lane = 0; lane < W; ++lane) {
    if (!lanes[lane]) continue;
    const double spread = typical_residual(problem_.loss, scale_[lane], objective_[lane] / std::max(weights_[lane], 1e-300));
    const double wide = first_scale(problem_.loss, target_scale_[lane], spread, 0);
    if (!(wide > scale_[lane])) continue;
    scale_[lane] = reach_[lane] = wide;
    at_scale_[lane] = 0;
    fresh_[lane] = -1;
    for (int i = 0; i < p_; ++i) step_[i][lane] = 0;
  }
}

LAWFIT_LANE_SOLVERS

}  // namespace lawfit
