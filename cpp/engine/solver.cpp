#include "lane_solver.hpp"

#include <algorithm>
#include <cmath>

#include "cholesky.hpp"
#include "clock.hpp"
#include "solver_constants.hpp"

namespace lawfit {

namespace {
V mask_to(L mask) { return select(mask, broadcast(1.0), broadcast(0.0)); }
}  // namespace

template <int kP> LaneSolver<kP>::LaneSolver(const Problem& problem, Stage stage, int64_t capacity, bool weighted, bool with_sigma, Layout layout)
    : ParameterCount<kP>(problem.parameters()), problem_(problem), stage_(stage),
      evaluator_(*problem.program, problem.space, problem.loss, capacity, weighted, with_sigma, layout),
      layout_(layout), arena_(12 * p_ + 2 * entries() + 2 * sum_vectors(p_)),
      // There the majoriser bounds what a linear solve gains.
      separable_((problem.space == Space::linear || problem.space == Space::relative) && !of_counts(problem.loss)),
      retraces_(problem.retraces && !(separable_ && problem.loss == Loss::squared)),
      means_(problem.centring->nodes.size() * W), scratch_(p_) {
  for (V** v : {&theta_, &trial_, &detour_point_, &milestone_, &step_, &lower_, &upper_, &metric_, &damp_, &rhs_, &fixed_step_}) *v = arena_.take_vectors(p_);
  fixed_ = reinterpret_cast<L*>(arena_.take(p_));
  matrix_ = arena_.take_vectors(entries());
  factor_ = arena_.take_vectors(entries());
  for (Sums* s : {&now_, &next_}) *s = make_sums(arena_.take_vectors(sum_vectors(p_)), p_, stage == Stage::finish);
  for (int i = 0; i < p_; ++i) {
    if (problem.linear[i]) linear_.push_back(i);
    else if (problem.typical[i] > 0) exponents_.push_back(i);
  }
  if (static_cast<int>(linear_.size()) == p_) linear_.clear();
  for (int i = 0; i < p_; ++i) {
    lower_[i] = broadcast(problem.lower[i]);
    upper_[i] = broadcast(problem.upper[i]);
  }
}

template <int kP> void LaneSolver<kP>::refill(int lane) {
  const int64_t k = queue_->take();
  job_[lane] = k;
  const bool busy = k >= 0;
  busy_[lane] = busy ? -1 : 0;
  if (!busy) {
    for (int i = 0; i < p_; ++i) theta_[i][lane] = std::clamp(1.0, problem_.lower[i], problem_.upper[i]);
    return;
  }
  const Job& job = jobs_[k];
  double* means = means_.data() + lane * problem_.centring->nodes.size();
  evaluator_.load_drawn(lane, *table_, job.begin, job.count, job.weight, means, job.target);
  std::copy(job.start, job.start + p_, scratch_.begin());
  shift_centre(*problem_.centring, scratch_.data(), means, 1);
  const bool points = layout_ == Layout::points;
  const LossNumbers numbers = numbers_of(problem_, job);
  for (int l = points ? 0 : lane; l < (points ? W : lane + 1); ++l) {
    for (int i = 0; i < p_; ++i) theta_[i][l] = std::clamp(scratch_[i], problem_.lower[i], problem_.upper[i]);
    fresh_[l] = -1;
    busy_[l] = -1;
    objective_[l] = infinity;
    size_[l] = last_size_[l] = infinity;
    slow_[l] = blind_[l] = at_scale_[l] = iterations_[l] = moved_[l] = 0;
    target_scale_[l] = has_kink(problem_.loss) ? std::max(std::max(job.relax, 1e-300) * kKinkWidth, job.sharpest) : numbers.scale;
    tail_[l] = numbers.tail;
    scale_[l] = std::max(target_scale_[l], job.relax);
    if (stage_ == Stage::far) target_scale_[l] = scale_[l];
    reach_[l] = scale_[l];
  }
  L mine = broadcast_bits(0);
  for (int l = points ? 0 : lane; l < (points ? W : lane + 1); ++l) mine[l] = -1;
  for (int i = 0; i < p_; ++i) damp_[i] = select(mine, V{}, damp_[i]);
  newton_ = stage_ == Stage::finish ? newton_ | mine : broadcast_bits(0);
  patience_ = select(mine, broadcast(job.cautious ? 8.0 : 1.0), patience_);
  gauss_steps_ = select(mine, V{}, gauss_steps_);
  gauss_damping_ = select(mine, broadcast(kGaussDamping), gauss_damping_);
  damping_.reset(mine, stage_ == Stage::far ? kFirstDampingFar : job.cautious ? kCautiousDamping : kFirstDampingFinish);
  stretched_ &= ~mine;
  projected_ &= ~mine;
  detour_ &= ~mine;
  detour_wait_ = select(mine, V{}, detour_wait_);
  detour_gap_ = select(mine, V{}, detour_gap_);
  detour_tries_ = select(mine, V{}, detour_tries_);
  side_ = select(mine, broadcast(1.0), side_);
  milestone_at_ = select(mine, broadcast(kPatience), milestone_at_);
  detour_reach_ = select(mine, broadcast(kFirstLeap), detour_reach_);
  cautious_ &= ~mine;
  if (job.cautious) {
    newton_ &= ~mine;
    cautious_ |= mine;
  }
  const double total = evaluator_.weight_total(lane);
  for (int l = points ? 0 : lane; l < (points ? W : lane + 1); ++l) weights_[l] = total;
}

// What says that a lane is at an optimum, and that its parameters are determined there. A parameter
// that the fitted values do not feel at all is idle.
template <int kP> auto LaneSolver<kP>::certify() -> Certificate {
  V* root = rhs_;
  for (int i = 0; i < p_; ++i) root[i] = broadcast(1.0) / vsqrt(now_.majorised[i * (i + 1) / 2 + i]);
  for (int i = 0, e = 0; i < p_; ++i)
    for (int j = 0; j <= i; ++j, ++e) factor_[e] = i == j ? broadcast(1.0) : now_.majorised[e] * root[i] * root[j];
  Certificate c{cosine(), inverse_trace(p_, factor_, rhs_), broadcast_bits(0), broadcast_bits(0)};
  const V zero = broadcast(0.0), felt = broadcast(kNoInfluence) * vsqrt(now_.energy[0]);
  for (int i = 0; i < p_; ++i) {
    const L inside = (theta_[i] > lower_[i]) & (theta_[i] < upper_[i]);
    const V influence = vsqrt(now_.majorised[i * (i + 1) / 2 + i]) * vmax(vabs(theta_[i]), broadcast(problem_.typical[i]));
    if (!problem_.linear[i]) c.idle |= inside & (theta_[i] != zero) & ~(influence > felt);
    c.at_bound |= ~inside;
  }
  return c;
}

template <int kP> Status LaneSolver<kP>::final_status(int lane, bool good, const Certificate& certificate) const {
  if (!good) return Status::stalled;
  if (certificate.idle[lane]) return Status::not_identified;
  return certificate.at_bound[lane] ? Status::converged_at_bound : Status::converged;
}

template <int kP> void LaneSolver<kP>::harvest(int lane, Status status, bool settled, const Certificate& certificate) {
  Outcome& out = outcomes_[job_[lane]];
  for (int i = 0; i < p_; ++i) {
    const double value = theta_[i][lane];
    out.active[i] = bound_side(value, problem_.lower[i], problem_.upper[i]);
    out.parameters[i] = value;
  }
  shift_centre(*problem_.centring, out.parameters, means_.data() + lane * problem_.centring->nodes.size(), -1);
  for (int i = 0; i < p_; ++i) if (out.active[i]) out.parameters[i] = out.active[i] < 0 ? problem_.lower[i] : problem_.upper[i];
  const double f = objective_[lane];
  out.objective = f;
  out.gradient_norm = certificate.gradient[lane];
  out.inverse_trace = certificate.inverse_trace[lane];
  out.spread = typical_residual(problem_.loss, scale_[lane], f / std::max(weights_[lane], 1e-300));
  out.iterations += static_cast<int32_t>(iterations_[lane]);
  out.status = status;
  out.settled = settled;
  out.moved = moved_[lane] != 0;
  refill(lane);
}

template <int kP> void LaneSolver<kP>::run(const TableData& table, const Job* jobs, Outcome* outcomes, JobQueue& queue, const Limits& limits) {
  table_ = &table;
  jobs_ = jobs;
  outcomes_ = outcomes;
  queue_ = &queue;
  limits_ = limits;
  tail_ = broadcast(problem_.tail);
  fresh_ = busy_ = done_ = newton_ = cautious_ = stretched_ = converging_ = detour_ = projected_ = broadcast_bits(0);
  const int lanes = layout_ == Layout::points ? 1 : W;
  for (int lane = 0; lane < W; ++lane) job_[lane] = -1;
  for (int lane = 0; lane < lanes; ++lane) refill(lane);
  while (any(busy_)) {
    step();
    trial_point();
    if (stage_ == Stage::far && retraces_ && !linear_.empty()) project_trial();
    evaluator_.evaluate(stage_ == Stage::far ? Tier::jacobian : Tier::hessian, trial_, {scale_, tail_, reach_}, next_);
    if (!problem_.priors.empty()) add_priors(problem_.priors, stage_ == Stage::far ? Tier::jacobian : Tier::hessian, trial_, next_);
    judge();
    if (stage_ == Stage::far) stop_far();
    stop_limits();
    if (!any(done_)) continue;
    const Certificate certificate = certify();
    for (int lane = 0; lane < lanes; ++lane)
      if (done_[lane] && job_[lane] >= 0) harvest(lane, verdict_[lane], stage_ == Stage::finish, certificate);
    if (layout_ == Layout::points && job_[0] < 0) busy_ = broadcast_bits(0);
    done_ = broadcast_bits(0);
  }
}

template <int kP> void LaneSolver<kP>::trial_point() {
  for (int i = 0; i < p_; ++i) {
    const V moved = stage_ == Stage::far && problem_.log_metric[i] ? theta_[i] * v_exp(step_[i]) : theta_[i] + step_[i];
    trial_[i] = vmin(vmax(moved, lower_[i]), upper_[i]);
    trial_[i] = select(step_[i] == broadcast(0.0), theta_[i], trial_[i]);
  }
  if (stage_ == Stage::finish) multiply_trial();
  if (any(detour_)) for (int i = 0; i < p_; ++i) trial_[i] = select(detour_, detour_point_[i], trial_[i]);
}

// A lane that goes on for long follows a valley, and those of powers are straight in logarithms.
template <int kP> void LaneSolver<kP>::multiply_trial() {
  const L crawls = iterations_ > broadcast(kPatience);
  if (!any(crawls)) return;
  for (int i = 0; i < p_; ++i) {
    if (!problem_.geometric[i]) continue;
    const V ratio = step_[i] / theta_[i], moved = vmin(vmax(theta_[i] * v_exp(ratio), lower_[i]), upper_[i]);
    trial_[i] = select(crawls & (ratio != V{}) & (vabs(ratio) < broadcast(kMostOfItself)), moved, trial_[i]);
  }
}

template <int kP> void LaneSolver<kP>::judge() {
  V value = next_.value[0];
  const L finite = (value - value) == broadcast(0.0);
  L projected = broadcast_bits(0);
  if (separable_ && !linear_.empty()) {
    const L poor = finite & ~fresh_ & ~detour_ & definite_ & busy_ & ~cautious_ & (objective_ - value < broadcast(0.25) * predicted_);
    if (any(poor)) projected = project_linear(poor, value);
  }
  // Far away a term that is numerically absent must be able to grow before its gain can be seen.
  const V noise = select((blind_ > broadcast(0.0)) | broadcast_bits(stage_ == Stage::far ? -1 : 0), rounding_noise(), V{});
  const L detour = detour_ & ~fresh_;
  const L better = finite & ~fresh_ & ((definite_ & ~detour & (value < objective_ + noise)) | (detour & (value < objective_ * broadcast(1 - 1e-9))));
  const L accept = better | (fresh_ & finite);
  const V decrease = objective_ - value;
  // A fresh lane that is not finite anywhere has no optimum to find from this start.
  const L lost = fresh_ & ~finite & busy_;
  slow_ = select(better, select(decrease <= broadcast(kSlowDecrease) * value, slow_ + broadcast(1.0), broadcast(0.0)), slow_);
  const V gain = decrease / predicted_;
  damping_.accepted(better & ~detour, gain);
  const L worse = ~better & ~fresh_ & busy_ & ~detour;
  if (stage_ == Stage::finish) {
    const L hopeless = worse & newton_ & (damping_.lambda >= broadcast(kNewtonLimit));
    if (any(hopeless)) leave_newton(hopeless);
    // A second failure in a row says that the quadratic model itself is wrong here.
    const L again = damping_.growth > broadcast(Damping::kGrowth);
    damping_.rejected(worse & ~hopeless, select(again, broadcast(kDampingFloorFinish), telling_));
    enter_newton(better & ~detour & (gain >= broadcast(0.25)));
  } else {
    damping_.rejected(worse, broadcast(kDampingFloorFar));
  }
  for (int i = 0; i < p_; ++i) {
    moved_ = select(better & (trial_[i] != theta_[i]), broadcast(1.0), moved_);
    theta_[i] = select(accept, trial_[i], theta_[i]);
  }
  for (int i = 0; i < now_.vectors; ++i) now_.value[i] = select(accept, next_.value[i], now_.value[i]);
  objective_ = select(accept, value, objective_);
  iterations_ += mask_to(busy_);
  at_scale_ += mask_to(busy_ & ~fresh_);
  // A step that took the old inside rows along and failed leaves derivatives that are not the loss's own.
  const L redo = worse & stretched_;
  stretched_ = (stretched_ & ~better & ~redo) | (fresh_ & (reach_ > scale_));
  reach_ = select(fresh_, scale_, reach_);
  fresh_ = (fresh_ & lost) | projected | redo;   // a projected point still needs its derivatives
  if (!linear_.empty()) {
    if (any(detour)) judge_detours(detour, better);
    plan_detours(worse & ~projected & ~projected_);
    if (any(projected_)) {
      wait_longer(worse & projected_);
      projected_ = broadcast_bits(0);
    }
  }
  if (any(lost))
    for (int lane = 0; lane < W; ++lane) if (lost[lane]) { done_[lane] = -1; verdict_[lane] = Status::out_of_domain; }
}

template <int kP> void LaneSolver<kP>::stop_far() {
  // A term that is numerically absent has no visible gradient but a large cosine: it may come back.
  L settled = busy_ & (slow_ >= broadcast(kSlowSteps)) & ~converging_;
  if (any(settled)) settled &= cosine() <= broadcast(kFarOrthogonal);
  const L late = busy_ & (iterations_ >= broadcast(limits_.far_iterations));
  const L stop = (busy_ & (settled | (damping_.lambda >= broadcast(1e8))) & (iterations_ >= broadcast(2.0))) | late;
  for (int lane = 0; lane < W; ++lane) if (stop[lane] && !done_[lane]) {
    done_[lane] = -1;
    verdict_[lane] = late[lane] ? Status::iteration_limit : Status::converged;
  }
}

template <int kP> void LaneSolver<kP>::stop_limits() {
  Status reason = Status::iteration_limit;
  L stop = broadcast_bits(0);
  if (stage_ == Stage::finish) {
    stop = busy_ & ~done_ & (iterations_ >= broadcast(limits_.finish_iterations));
    const L stuck = busy_ & ~done_ & (damping_.lambda >= broadcast(1e12));
    if (any(stuck)) {
      const Certificate certificate = certify();
      const L good = (size_ <= broadcast(kStalledSize)) & (certificate.gradient <= broadcast(kOrthogonal));
      for (int lane = 0; lane < W; ++lane) if (stuck[lane]) {
        done_[lane] = -1;
        verdict_[lane] = final_status(lane, good[lane], certificate);
      }
    }
  }
  if (limits_.cancelled && limits_.cancelled->after(evaluator_.swept())) { stop = busy_; reason = Status::cancelled; }
  else if (limits_.deadline > 0 && now_seconds() > limits_.deadline) { stop = busy_; reason = Status::time_limit; }
  if (reason != Status::iteration_limit) queue_->next.store(queue_->end);
  for (int lane = 0; lane < W; ++lane) if (stop[lane] && !done_[lane]) { done_[lane] = -1; verdict_[lane] = reason; }
}

LAWFIT_LANE_SOLVERS

namespace {
template <int kP> std::unique_ptr<Solver> made(const Problem& problem, Stage stage, int64_t capacity, bool weighted, bool with_sigma, Layout layout) {
  if constexpr (kP <= kMostFixed) {
    if (problem.parameters() != kP) return made<kP + 1>(problem, stage, capacity, weighted, with_sigma, layout);
    return std::make_unique<LaneSolver<kP>>(problem, stage, capacity, weighted, with_sigma, layout);
  } else {
    return std::make_unique<LaneSolver<0>>(problem, stage, capacity, weighted, with_sigma, layout);
  }
}
}  // namespace

std::unique_ptr<Solver> make_solver(const Problem& problem, Stage stage, int64_t capacity, bool weighted, bool with_sigma, Layout layout) {
  return made<1>(problem, stage, capacity, weighted, with_sigma, layout);
}

}  // namespace lawfit
