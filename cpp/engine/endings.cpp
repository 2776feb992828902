#include "endings.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

#include "cholesky.hpp"
#include "solver_constants.hpp"

namespace lawfit {

template <int kP> Endings<kP>::Endings(const Problem& problem)
    : ParameterCount<kP>(problem.parameters()), problem_(problem),
      arena_(2 * p_ + p_ * (p_ + 1) / 2 + sum_vectors(p_) + problem.centring->nodes.size()),
      factor_(arena_.take_vectors(p_ * (p_ + 1) / 2)), root_(arena_.take_vectors(p_)), means_(arena_.take_vectors(problem.centring->nodes.size())),
      at_{arena_.take_vectors(p_), make_sums(arena_.take_vectors(sum_vectors(p_)), p_, false), V{}}, gain_{}, held_back_{} {}

template <int kP> void Endings<kP>::note(const Place& place, int lane, const V* means, Outcome& outcome, Status status, End end, double gain,
                                         double held_back) {
  const int slot = count_++;
  for (int i = 0; i < p_; ++i) {
    const double value = place.theta[i][lane];
    at_.theta[i][slot] = value;
    outcome.active[i] = bound_side(value, problem_.lower[i], problem_.upper[i]);
  }
  for (int i = 0; i < at_.sums.vectors; ++i) at_.sums.value[i][slot] = place.sums.value[i][lane];
  for (size_t k = 0; k < problem_.centring->nodes.size(); ++k) means_[k][slot] = means[k][lane];
  at_.objective[slot] = place.objective[lane];
  gain_[slot] = gain;
  held_back_[slot] = held_back;
  outcome_[slot] = &outcome;
  status_[slot] = status;
  end_[slot] = end;
  if (count_ == W) write();
}

// What says that a lane is at an optimum, and that its parameters are determined there. A parameter
// that the fitted values do not feel at all is idle.
template <int kP> auto Endings<kP>::certify() -> Certificate {
  const V* majorised = at_.sums.majorised;
  const V zero = broadcast(0.0), one = broadcast(1.0), felt = broadcast(kNoInfluence) * vsqrt(at_.sums.energy[0]);
  Certificate c{cosine<kP>(problem_, at_), V{}, broadcast_bits(0), broadcast_bits(0)};
  for (int i = 0; i < p_; ++i) {
    const V theta = at_.theta[i], length = vsqrt(majorised[i * (i + 1) / 2 + i]);
    root_[i] = one / length;
    const L inside = (theta > broadcast(problem_.lower[i])) & (theta < broadcast(problem_.upper[i]));
    const V influence = length * vmax(vabs(theta), broadcast(problem_.typical[i]));
    if (!problem_.linear[i]) c.idle |= inside & (theta != zero) & ~(influence > felt);
    c.at_bound |= ~inside;
  }
  for (int i = 0, e = 0; i < p_; ++i)
    for (int j = 0; j <= i; ++j, ++e) factor_[e] = i == j ? one : majorised[e] * root_[i] * root_[j];
  c.inverse_trace = inverse_trace(p_, factor_, root_);
  return c;
}

// Back to natural parameters. Returns the slots where an amplitude is too large or too small for a number.
template <int kP> L Endings<kP>::leave_centre() {
  for (int i = 0; i < p_; ++i) root_[i] = at_.theta[i];
  shift_centre(*problem_.centring, at_.theta, means_, -1);
  const V none = V{}, least = broadcast(std::numeric_limits<double>::min()), most = broadcast(std::numeric_limits<double>::max());
  L lost = broadcast_bits(0);
  for (const CentreShift& s : problem_.centring->shifts) {
    const V amplitude = vabs(at_.theta[s.partner]);
    if (s.multiplies) lost |= (root_[s.partner] != none) & ~((amplitude >= least) & (amplitude <= most));
  }
  return lost;
}

template <int kP> void Endings<kP>::write() {
  if (count_ == 0) return;
  const Certificate certificate = certify();
  const L lost = leave_centre();
  for (int slot = 0; slot < count_; ++slot) write(slot, certificate);
  // What the centred law has there is no fit of the law itself.
  each_lane(lost, [&](int slot) {
    if (slot >= count_ || !std::isfinite(outcome_[slot]->objective)) return;
    outcome_[slot]->objective = infinity;
    outcome_[slot]->status = Status::not_finite;
  });
  count_ = 0;
}

template <int kP> void Endings<kP>::write(int slot, const Certificate& certificate) {
  Outcome& out = *outcome_[slot];
  for (int i = 0; i < p_; ++i)
    out.parameters[i] = out.active[i] == 0 ? at_.theta[i][slot] : out.active[i] < 0 ? problem_.lower[i] : problem_.upper[i];
  const double gain = gain_[slot], objective = at_.objective[slot];
  out.objective = gain > 0 ? std::max(objective - gain, 0.0) : objective;
  out.gradient_norm = certificate.gradient[slot];
  out.inverse_trace = certificate.inverse_trace[slot];
  // Damping may have kept a weak direction from moving, unless it is small beside the least curvature.
  const bool sound = out.gradient_norm <= kOrthogonal && held_back_[slot] * out.inverse_trace <= kLittleHeldBack;
  out.settled = end_[slot] == End::settled || (end_[slot] == End::candidate && sound);
  out.status = status_[slot];
  if (!out.settled || out.status != Status::converged) return;
  out.status = certificate.idle[slot] ? Status::not_identified : certificate.at_bound[slot] ? Status::converged_at_bound : Status::converged;
}

template <int kP> V cosine(const Problem& problem, const Place& at) {
  const int p = kP ? kP : problem.parameters();
  const V zero = broadcast(0.0);
  V largest{};
  const V size = fma(broadcast(kPerfect * kPerfect), at.sums.energy[0], broadcast(2.0) * at.objective);
#pragma GCC unroll 8
  for (int i = 0; i < p; ++i) {
    const V g = at.sums.gradient[i], m = at.sums.majorised[i * (i + 1) / 2 + i];
    const L low = at.theta[i] <= broadcast(problem.lower[i]), high = at.theta[i] >= broadcast(problem.upper[i]);
    const L free = (m > zero) & ~(low & (g > zero)) & ~(high & (g < zero));
    largest = vmax(largest, select(free, (g / m) * (g / size), zero));
  }
  return vsqrt(largest);
}

#define LAWFIT_ENDINGS(kP) \
  template class Endings<kP>; \
  template V cosine<kP>(const Problem& problem, const Place& at);
LAWFIT_ENDINGS(0)
LAWFIT_ENDINGS(1)
LAWFIT_ENDINGS(2)
LAWFIT_ENDINGS(3)
LAWFIT_ENDINGS(4)
LAWFIT_ENDINGS(5)

}  // namespace lawfit
