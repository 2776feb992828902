#include "lane_solver.hpp"

#include <algorithm>
#include <cmath>

#include "clock.hpp"
#include "solver_constants.hpp"

namespace lawfit {

namespace {
V mask_to(L mask) { return select(mask, broadcast(1.0), broadcast(0.0)); }
L first_lane() {
  L mask = broadcast_bits(0);
  mask[0] = -1;
  return mask;
}
}  // namespace

template <int kP> LaneSolver<kP>::LaneSolver(const Problem& problem, Stage stage, int64_t capacity, bool weighted, bool with_sigma, Layout layout)
    : ParameterCount<kP>(problem.parameters()), problem_(problem), stage_(stage),
      evaluator_(*problem.program, problem.space, problem.loss, capacity, weighted, with_sigma, layout),
      layout_(layout), independent_(layout == Layout::points ? first_lane() : broadcast_bits(-1)), arena_(12 * p_ + 2 * entries() + 2 * sum_vectors(p_) + problem.centring->nodes.size()),
      // There the majoriser bounds what a linear solve gains.
      separable_((problem.space == Space::linear || problem.space == Space::relative) && !of_counts(problem.loss)),
      retraces_(problem.retraces && !(separable_ && problem.loss == Loss::squared)),
      endings_(problem), means_(arena_.take_vectors(problem.centring->nodes.size())), lane_means_(problem.centring->nodes.size()) {
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

// The next jobs' rows and numbers; their starts, in natural scale, to trial_. Returns the lanes that
// got one, `wary` those that are to take short steps at first.
template <int kP> L LaneSolver<kP>::take_jobs(L lanes, L& wary) {
  L taken = broadcast_bits(0);
  each_lane(lanes & independent_, [&](int lane) {
    const int64_t k = job_[lane] = queue_->take();
    if (k < 0) return;
    const Job& job = jobs_[k];
    evaluator_.load_drawn(lane, *table_, job.begin, job.count, job.weight, lane_means_.data(), job.target);
    const LossNumbers numbers = numbers_of(problem_, job);
    taken[lane] = -1;
    for (size_t m = 0; m < lane_means_.size(); ++m) means_[m][lane] = lane_means_[m];
    for (int i = 0; i < p_; ++i) trial_[i][lane] = job.start[i];
    scale_[lane] = job.relax;
    target_scale_[lane] = has_kink(problem_.loss) ? std::max(std::max(job.relax, 1e-300) * kKinkWidth, job.sharpest) : numbers.scale;
    tail_[lane] = numbers.tail;
    weights_[lane] = evaluator_.weight_total(lane);
    wary[lane] = job.cautious ? -1 : 0;
  });
  if (layout_ == Layout::problems || !taken[0]) return taken;
  for (size_t m = 0; m < lane_means_.size(); ++m) means_[m] = broadcast(means_[m][0]);
  for (int i = 0; i < p_; ++i) trial_[i] = broadcast(trial_[i][0]);
  for (V* v : {&scale_, &target_scale_, &tail_, &weights_}) *v = broadcast((*v)[0]);
  wary = broadcast_bits(wary[0]);
  return broadcast_bits(-1);
}

template <int kP> void LaneSolver<kP>::refill(L lanes) {
  const V zero = broadcast(0.0), one = broadcast(1.0), never = broadcast(infinity);
  L wary = broadcast_bits(0);
  const L mine = take_jobs(lanes, wary), idle = lanes & ~mine;
  busy_ = (busy_ & ~lanes) | mine;
  shift_centre(*problem_.centring, trial_, means_, 1);
  for (int i = 0; i < p_; ++i) {
    const V start = select(idle, one, trial_[i]);
    theta_[i] = select(lanes, vmin(vmax(start, lower_[i]), upper_[i]), theta_[i]);
    damp_[i] = select(mine, zero, damp_[i]);
  }
  scale_ = select(mine, vmax(target_scale_, scale_), scale_);
  if (stage_ == Stage::far) target_scale_ = select(mine, scale_, target_scale_);
  reach_ = select(mine, scale_, reach_);
  for (V* v : {&objective_, &size_, &last_size_}) *v = select(mine, never, *v);
  for (V* v : {&slow_, &blind_, &at_scale_, &iterations_, &moved_, &gauss_steps_, &detour_wait_, &detour_gap_, &detour_tries_}) *v = select(mine, zero, *v);
  cautious_ = (cautious_ & ~mine) | wary;
  newton_ = stage_ == Stage::finish ? (newton_ | mine) & ~wary : broadcast_bits(0);
  patience_ = select(mine, select(wary, broadcast(kMostPatience), one), patience_);
  gauss_damping_ = select(mine, broadcast(kGaussDamping), gauss_damping_);
  damping_.reset(mine, stage_ == Stage::far ? kFirstDampingFar : kFirstDampingFinish);
  if (stage_ == Stage::finish) damping_.reset(wary, kCautiousDamping);
  side_ = select(mine, one, side_);
  milestone_at_ = select(mine, broadcast(kPatience), milestone_at_);
  detour_reach_ = select(mine, broadcast(kFirstLeap), detour_reach_);
  fresh_ |= mine;
  for (L* flags : {&stretched_, &projected_, &detour_}) *flags &= ~mine;
}

// Lanes that have a verdict leave their jobs and take up others.
template <int kP> void LaneSolver<kP>::end_lanes(End end, V gain, V held_back) {
  each_lane(done_ & independent_, [&](int lane) {
    Outcome& out = outcomes_[job_[lane]];
    out.spread = typical_residual(problem_.loss, scale_[lane], std::max(objective_[lane] - gain[lane], 0.0) / std::max(weights_[lane], 1e-300));
    out.iterations += static_cast<int32_t>(iterations_[lane]);
    out.moved = moved_[lane] != 0;
    endings_.note(here(), lane, means_, out, verdict_[lane], end, gain[lane], held_back[lane]);
  });
  refill(done_);
  done_ = broadcast_bits(0);
  for (int i = 0; i < p_; ++i) step_[i] = select(fresh_, V{}, step_[i]);
}

template <int kP> void LaneSolver<kP>::run(const TableData& table, const Job* jobs, Outcome* outcomes, JobQueue& queue, const Limits& limits) {
  table_ = &table;
  jobs_ = jobs;
  outcomes_ = outcomes;
  queue_ = &queue;
  limits_ = limits;
  tail_ = broadcast(problem_.tail);
  fresh_ = busy_ = done_ = newton_ = cautious_ = stretched_ = converging_ = detour_ = leaping_ = projected_ = broadcast_bits(0);
  refill(broadcast_bits(-1));
  while (any(busy_)) {
    step();
    trial_point();
    if (stage_ == Stage::far && retraces_ && !linear_.empty()) project_trial();
    const Tier needed = tier();
    evaluator_.evaluate(needed, trial_, {scale_, tail_, reach_}, next_);
    if (!problem_.priors.empty()) add_priors(problem_.priors, needed, trial_, next_);
    judge();
    if (stage_ == Stage::far) stop_far();
    stop_limits();
    if (!any(done_)) continue;
    end_lanes(stage_ == Stage::finish ? End::settled : End::unsettled, V{}, V{});
  }
  endings_.write();
}

// Second derivatives are for lanes that take Newton's steps, or may do so after this one. The sums
// below a tier are the same without it, so that a lane does not feel what the others need.
template <int kP> Tier LaneSolver<kP>::tier() const {
  if (stage_ == Stage::far) return Tier::jacobian;
  return any(busy_ & (newton_ | earns_newton())) ? Tier::hessian : Tier::jacobian;
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
    if (!problem_.multiplies(i)) continue;
    const V ratio = step_[i] / theta_[i], moved = vmin(vmax(theta_[i] * v_exp(ratio), lower_[i]), upper_[i]);
    trial_[i] = select(crawls & (ratio != V{}) & (vabs(ratio) < broadcast(kMostOfItself)), moved, trial_[i]);
  }
}

// An exponent may run so far that the amplitude beside it, moved back from the centre, is no number.
template <int kP> L LaneSolver<kP>::stays_representable() const {
  L stays = broadcast_bits(-1);
  for (const CentreShift& s : problem_.centring->shifts) {
    if (!s.multiplies || s.parameter < 0) continue;
    const V shift = centre_shift(s, trial_, means_), amplitude = vabs(trial_[s.partner]);
    const L far = (vabs(shift) > broadcast(kFarShift)) & (amplitude > broadcast(0.0));
    if (any(far)) stays &= ~far | (vabs(v_log(amplitude) - shift) < broadcast(kMostLogarithm));
  }
  return stays;
}

template <int kP> void LaneSolver<kP>::judge() {
  V value = next_.value[0];
  const L finite = ((value - value) == broadcast(0.0)) & (fresh_ | stays_representable());
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
  give_verdict(lost, Status::out_of_domain);
}

template <int kP> void LaneSolver<kP>::stop_far() {
  // A term that is numerically absent has no visible gradient but a large cosine: it may come back.
  L settled = busy_ & (slow_ >= broadcast(kSlowSteps)) & ~converging_;
  if (any(settled)) settled &= cosine() <= broadcast(kFarOrthogonal);
  const L late = busy_ & (iterations_ >= broadcast(limits_.far_iterations));
  const L stop = (busy_ & (settled | (damping_.lambda >= broadcast(1e8))) & (iterations_ >= broadcast(2.0))) | late;
  give_verdict(stop & late, Status::iteration_limit);
  give_verdict(stop, Status::converged);
}

// Unless they have one already.
template <int kP> void LaneSolver<kP>::give_verdict(L lanes, Status status) {
  each_lane(lanes & ~done_, [&](int lane) { verdict_[lane] = status; });
  done_ |= lanes;
}

template <int kP> void LaneSolver<kP>::stop_limits() {
  Status reason = Status::iteration_limit;
  L stop = broadcast_bits(0);
  if (stage_ == Stage::finish) {
    stop = busy_ & ~done_ & (iterations_ >= broadcast(limits_.finish_iterations));
    const L stuck = busy_ & ~done_ & (damping_.lambda >= broadcast(1e12));
    if (any(stuck)) {
      const L good = (size_ <= broadcast(kStalledSize)) & (cosine() <= broadcast(kOrthogonal));
      give_verdict(stuck & good, Status::converged);
      give_verdict(stuck, Status::stalled);
    }
  }
  if (limits_.cancelled && limits_.cancelled->after(evaluator_.swept())) { stop = busy_; reason = Status::cancelled; }
  else if (limits_.deadline > 0 && now_seconds() > limits_.deadline) { stop = busy_; reason = Status::time_limit; }
  if (reason != Status::iteration_limit) queue_->next.store(queue_->end);
  give_verdict(stop, reason);
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
