// How a lane gets from its current point to the next step, and when it need not go on.
#include "cholesky.hpp"
#include "lane_solver.hpp"
#include "solver_constants.hpp"

namespace lawfit {

// The size of an O(1) change of a parameter that is not in log metric.
template <int kP> V LaneSolver<kP>::unit(int i) const {
  return problem_.typical[i] > 0 ? broadcast(problem_.typical[i]) : vmax(vabs(theta_[i]), broadcast(1e-300));
}

// Gauss-Newton matrix in the far metric; identity damping scaled by the objective's own energy.
template <int kP> void LaneSolver<kP>::far_system() {
  const V one = broadcast(1.0);
  for (int i = 0; i < p_; ++i) {
    metric_[i] = problem_.log_metric[i] ? theta_[i] : one;
    // Log parameters and exponents are O(1) by nature; others are damped by the largest curvature
    // they have shown, which follows their units.
    if (problem_.log_metric[i]) damp_[i] = now_.energy[0];
    else if (problem_.typical[i] > 0) damp_[i] = now_.energy[0] / (unit(i) * unit(i));
    else damp_[i] = select(fresh_, damp_[i], vmax(damp_[i], now_.majorised[i * (i + 1) / 2 + i]));
    // What the projection sets right need not be held back.
    if (retraces_ && problem_.linear[i]) damp_[i] *= select(detour_wait_ <= broadcast(0.0), broadcast(kProjectedDamping), broadcast(1.0));
  }
  for (int i = 0, e = 0; i < p_; ++i)
    for (int j = 0; j <= i; ++j, ++e) matrix_[e] = now_.majorised[e] * metric_[i] * metric_[j];
}

// Newton's matrix where it may be trusted, else the majoriser's, both damped by its diagonal.
template <int kP> void LaneSolver<kP>::finish_system() {
  for (int i = 0; i < p_; ++i) {
    metric_[i] = broadcast(1.0);
    const V curvature = now_.majorised[i * (i + 1) / 2 + i];
    damp_[i] = select(cautious_ & ~fresh_, vmax(damp_[i], curvature), curvature);
    // A nonlinear parameter whose term has all but vanished has no curvature of its own to lean on.
    if (problem_.linear[i]) continue;
    const V reach = broadcast(1e-3) * vsqrt(now_.energy[0] / vmax(curvature, broadcast(1e-300)));
    const V size = problem_.typical[i] > 0 ? unit(i) : vmax(unit(i), reach);   // a value of zero has no size
    damp_[i] += broadcast(kFinishFloor) * now_.energy[0] / (size * size);
  }
  for (int e = 0; e < entries(); ++e) matrix_[e] = select(newton_, now_.second[e], now_.majorised[e]);
}

// The damped step of all parameters.
template <int kP> L LaneSolver<kP>::solve_free() {
#pragma GCC unroll 8
  for (int i = 0, e = 0; i < p_; ++i) {
    step_[i] = -now_.gradient[i] * metric_[i];
#pragma GCC unroll 8
    for (int j = 0; j < i; ++j, ++e) factor_[e] = matrix_[e];
    factor_[e] = fma(damping_.lambda, damp_[i], matrix_[e]);
    ++e;
  }
  return cholesky_solve_fixed<kP>(p_, factor_, step_);
}

// The damped step of those not held, given what the held ones do.
template <int kP> L LaneSolver<kP>::solve_held() {
  const V zero = broadcast(0.0), one = broadcast(1.0);
  for (int i = 0, e = 0; i < p_; ++i) {
    V right = -now_.gradient[i] * metric_[i];
    for (int j = 0; j < p_; ++j)
      if (j != i) right = fnma(matrix_[j < i ? i * (i + 1) / 2 + j : j * (j + 1) / 2 + i], fixed_step_[j], right);
    step_[i] = select(fixed_[i], fixed_step_[i], right);
    for (int j = 0; j < i; ++j, ++e) factor_[e] = select(fixed_[i] | fixed_[j], zero, matrix_[e]);
    factor_[e] = select(fixed_[i], one, fma(damping_.lambda, damp_[i], matrix_[e]));
    ++e;
  }
  return cholesky_solve_fixed<kP>(p_, factor_, step_);
}

// Solves for the damped step with parameters held at bounds they press against, then holds any
// that the step would carry across a bound and solves again for the rest.
template <int kP> L LaneSolver<kP>::solve_bounded() {
  const V zero = broadcast(0.0);
  L held = broadcast_bits(0);
#pragma GCC unroll 8
  for (int i = 0; i < p_; ++i) {
    const V g = now_.gradient[i];
    // A parameter without any influence stays where it is.
    const L idle = (now_.majorised[i * (i + 1) / 2 + i] == zero) & (g == zero);
    fixed_[i] = idle | ((theta_[i] <= lower_[i]) & (g > zero)) | ((theta_[i] >= upper_[i]) & (g < zero));
    fixed_step_[i] = zero;
    held |= fixed_[i];
  }
  L definite = any(held) ? solve_held() : solve_free();
  if (stage_ == Stage::far) return definite;
  for (int round = 0; round < p_; ++round) {
    L crossed = broadcast_bits(0);
    for (int i = 0; i < p_; ++i) {
      const V to = theta_[i] + step_[i];
      const L low = (to < lower_[i]) & ~fixed_[i] & definite, high = (to > upper_[i]) & ~fixed_[i] & definite;
      fixed_step_[i] = select(low, lower_[i] - theta_[i], select(high, upper_[i] - theta_[i], fixed_step_[i]));
      fixed_[i] |= low | high;
      crossed |= low | high;
    }
    if (!any(crossed)) break;
    definite = solve_held();
  }
  return definite;
}

// Newton's steps failed here: reweighted Gauss-Newton takes over, damped as before, for longer after
// every failure.
template <int kP> void LaneSolver<kP>::leave_newton(L lanes) {
  newton_ &= ~lanes;
  patience_ = select(lanes, vmin(patience_ * broadcast(2.0), broadcast(kMostPatience)), patience_);
  gauss_steps_ = select(lanes, broadcast(0.0), gauss_steps_);
  damping_.reset(lanes, kGaussDamping);
  damping_.lambda = select(lanes, vmin(gauss_damping_, damping_.lambda), damping_.lambda);
}

// Reweighted steps that go well hand over to Newton once they have earned it.
template <int kP> void LaneSolver<kP>::enter_newton(L good) {
  gauss_steps_ = select(good & ~newton_, gauss_steps_ + broadcast(1.0), gauss_steps_);
  const L ready = good & ~newton_ & (gauss_steps_ >= patience_);
  if (!any(ready)) return;
  newton_ |= ready;
  gauss_damping_ = select(ready, damping_.lambda, gauss_damping_);
  damping_.reset(ready, kFirstDampingFinish);
}

// What the step should bring, and the damping that would weigh twice what the curvature along it does.
template <int kP> void LaneSolver<kP>::predict() {
  V linear{}, quadratic{};
  for (int i = 0; i < p_; ++i) {
    linear = fma(now_.gradient[i] * metric_[i], step_[i], linear);
    V row{};
    for (int j = 0; j < p_; ++j) row = fma(matrix_[j <= i ? i * (i + 1) / 2 + j : j * (j + 1) / 2 + i], step_[j], row);
    quadratic = fma(row, step_[i], quadratic);
  }
  predicted_ = -fma(broadcast(0.5), quadratic, linear);
  if (stage_ == Stage::far) return;
  V damped{};
  for (int i = 0; i < p_; ++i) damped = fma(damp_[i] * step_[i], step_[i], damped);
  telling_ = select(quadratic > broadcast(0.0), broadcast(2.0) * quadratic / damped, V{});
}

template <int kP> void LaneSolver<kP>::step() {
  const V zero = broadcast(0.0);
  if (stage_ == Stage::far) far_system(); else finish_system();
  // An indefinite matrix only costs a factorisation, not an evaluation: leave Newton, or damp.
  for (int attempt = 0; attempt < 12; ++attempt) {
    definite_ = solve_bounded();
    const L again = ~definite_ & ~fresh_ & busy_;
    if (!any(again)) break;
    // Near a saddle the least damping that makes it definite points away from there; reweighted steps would hardly grow.
    const L newton = again & newton_, saddle = newton & (size_ < broadcast(kNearSaddle)) & (damping_.lambda < broadcast(kNewtonLimit));
    damping_.lambda = select(saddle, vmax(damping_.lambda * broadcast(8.0), broadcast(kSaddleDamping)), damping_.lambda);
    const L leave = newton & ~saddle;
    if (any(leave)) {
      leave_newton(leave);
      finish_system();
    }
    damping_.rejected(again & ~newton, broadcast(stage_ == Stage::far ? kDampingFloorFar : kDampingFloorFinish));
  }
  if (stage_ == Stage::far && problem_.loss == Loss::squared) mark_settled();
  const L still = fresh_ | ~definite_ | ~busy_;
  if (stage_ == Stage::far) {
    V longest{};
    for (int i = 0; i < p_; ++i) {
      if (problem_.log_metric[i]) longest = vmax(vabs(step_[i]), longest);
      else if (problem_.typical[i] > 0) longest = vmax(vabs(step_[i]) / unit(i), longest);
    }
    const V shrink = vmin(broadcast(kLongestFarStep) / vmax(longest, broadcast(1e-300)), broadcast(1.0));
    for (int i = 0; i < p_; ++i) step_[i] *= shrink;
  }
  for (int i = 0; i < p_; ++i) step_[i] = select(still, zero, step_[i]);
  predict();
  if (stage_ == Stage::finish) mark_converged();
}

// Differences of the objective below this are rounding.
template <int kP> V LaneSolver<kP>::rounding_noise() const {
  return broadcast(4 * kRounding) * (objective_ + *now_.sensitivity);
}

// The step, scaled by each parameter or by what it would take to change the fitted values by a
// thousandth. Convergence is judged on it, never on the decrease of the objective.
template <int kP> V LaneSolver<kP>::step_size() const {
  const V zero = broadcast(0.0), least = broadcast(1e-6) * vmax(now_.energy[0], broadcast(1e-300));
  V largest{};
#pragma GCC unroll 8
  for (int i = 0; i < p_; ++i) {
    const V curvature = now_.majorised[i * (i + 1) / 2 + i], step = step_[i] * metric_[i];
    const V squared = (step * curvature * step) / vmax(theta_[i] * curvature * theta_[i], least);
    largest = vmax(largest, select(step == zero, zero, squared));
  }
  return vsqrt(largest);
}

// Remembers a step's size and the one before. Fresh lanes have no step, and a detour does not take it.
template <int kP> void LaneSolver<kP>::keep_size(V size) {
  last_size_ = select(detour_ | fresh_, last_size_, size_);
  size_ = select(fresh_, size_, size);
}

// What a step leaves over is as much smaller than the step as that is than the one before.
template <int kP> V LaneSolver<kP>::left_over() const { return size_ * vmax(size_ / last_size_, broadcast(kLeastRate)); }

// What a Gauss-Newton step takes off the objective.
template <int kP> V LaneSolver<kP>::step_gain() const {
  V slope{};
  for (int i = 0; i < p_; ++i) slope = fma(now_.gradient[i] * metric_[i], step_[i], slope);
  return broadcast(-0.5) * slope;
}

// Least squares with small residuals are at their optimum after a few Gauss-Newton steps, each a
// fraction of the last: such lanes need no second derivatives and no finish.
template <int kP> void LaneSolver<kP>::mark_settled() {
  keep_size(step_size());
  converging_ = size_ <= broadcast(kFastRate) * last_size_;
  const V left = left_over();
  const L small = size_ <= broadcast(limits_.tolerance), ending = busy_ & ~fresh_ & definite_ & converging_;
  if (!any(ending & (small | (left <= broadcast(limits_.tolerance))))) return;
  const V gain = step_gain();
  const L near = ending & (small | ((left <= broadcast(limits_.tolerance)) & (gain <= broadcast(kSmallGain) * objective_)));
  if (!any(near)) return;
  V held_back{};
  for (int i = 0; i < p_; ++i)
    held_back = vmax(held_back, damping_.lambda * damp_[i] / (now_.majorised[i * (i + 1) / 2 + i] * metric_[i] * metric_[i]));
  for (int i = 0; i < p_; ++i) theta_[i] = select(near, vmin(vmax(theta_[i] + step_[i] * metric_[i], lower_[i]), upper_[i]), theta_[i]);
  give_verdict(near, Status::converged);
  end_lanes(End::candidate, gain, held_back);
}

template <int kP> void LaneSolver<kP>::mark_converged() {
  keep_size(step_size() * (broadcast(1.0) + damping_.lambda));
  const L settled = busy_ & ~fresh_ & ~detour_ & definite_;
  const L at_target = scale_ <= target_scale_;
  // A smoothed kink is worth its width per row; other losses are judged by their own value.
  const V worth = has_kink(problem_.loss) ? broadcast(1e-4) * weights_ * scale_ : broadcast(1e-5) * objective_;
  const V close = has_kink(problem_.loss) ? broadcast(limits_.tolerance) : broadcast(1e-5);
  const L local = settled & ~at_target & ((predicted_ <= worth) | (size_ <= close) | (at_scale_ >= broadcast(has_kink(problem_.loss) ? 100.0 : 25.0)));
  if (any(local)) relax_scale(local);
  const L arriving = ~stretched_ & (left_over() <= broadcast(limits_.tolerance)) & (size_ <= broadcast(kFastRate) * last_size_) & (predicted_ <= broadcast(kSmallGain) * objective_);
  const L small = settled & at_target & ((size_ <= broadcast(limits_.tolerance)) | arriving) & (damping_.lambda <= broadcast(1e-2)) & newton_;
  // Below the rounding of the objective a decrease cannot be seen: trust the steps while they shrink.
  const V noise = rounding_noise();
  const L blind = settled & at_target & (predicted_ <= broadcast(4.0) * noise);
  blind_ = select(blind, blind_ + broadcast(1.0), blind_);
  const L exhausted = blind & (((size_ >= broadcast(0.5) * last_size_) & (blind_ >= broadcast(3.0))) | (blind_ >= broadcast(12.0)));
  if (!any(small | exhausted)) return;
  const L aligned = cosine() <= broadcast(kOrthogonal), there = small & aligned, good = there | ((size_ <= broadcast(kStalledSize)) & aligned);
  for (int i = 0; i < p_; ++i) {
    const V to = vmin(vmax(theta_[i] + step_[i], lower_[i]), upper_[i]);
    theta_[i] = select(there, to, theta_[i]);
  }
  give_verdict((there | exhausted) & good, Status::converged);
  give_verdict(exhausted, Status::stalled);
  end_lanes(End::settled, select(there & (size_ > broadcast(limits_.tolerance)), predicted_, V{}), V{});
}

// The rows inside the old scale are taken along: until they have been, they count as inside.
template <int kP> void LaneSolver<kP>::relax_scale(L local) {
  reach_ = select(local, scale_, reach_);
  scale_ = select(local, vmax(scale_ * broadcast(kScaleFactor), target_scale_), scale_);
  at_scale_ = select(local, broadcast(0.0), at_scale_);
  fresh_ |= local;   // the objective changed: evaluate where we are before stepping on
  damping_.reset(local, kFirstDampingFinish);
  for (int i = 0; i < p_; ++i) step_[i] = select(local, broadcast(0.0), step_[i]);
}

LAWFIT_LANE_SOLVERS

}  // namespace lawfit
