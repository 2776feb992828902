#include "objective.hpp"

#include <cmath>

namespace lawfit {

namespace {

// Likelihoods of counts and shares. sigma: the row's variance is sigma^2 times the likelihood's own.
template <Loss L_, Terms kWanted, bool kPlain>
void count_rows(const ObjectiveBlock& arguments, int count, ObjectiveSums& sums) {
  const ObjectiveBlock in = arguments;
  const V zero = broadcast(0.0);
  V value = sums.value, energy = sums.energy, sensitivity = sums.sensitivity;
  for (int k = 0; k < count; ++k) {
    const V m = load(in.model + k * in.model_stride);
    const CountTerms terms = count_terms<L_>(m, load(in.target + k * W), in.shape);
    V weight = broadcast(1.0);
    if constexpr (!kPlain) {
      const V inverse_sigma = load(in.inverse_sigma + k * in.sigma_stride);
      weight = load(in.weight + k * in.weight_stride) * inverse_sigma * inverse_sigma;
    }
    // Rows of weight zero are padding or not drawn: they must not count even when m is not finite.
    const L drawn = kPlain ? broadcast_bits(-1) : weight > zero;
    value += select(drawn, weight * terms.value, zero);
    if constexpr (kWanted == Terms::value) continue;
    const V information = select(drawn, weight * terms.information, zero), slope = select(drawn, weight * terms.slope, zero);
    energy += select(drawn, information * terms.room * terms.room, zero);
    sensitivity += select(drawn, vabs(slope * m), zero);
    store(in.slope + k * W, slope);
    store(in.majoriser + k * W, information);
    if constexpr (kWanted == Terms::curvature) store(in.curvature + k * W, select(drawn, weight * terms.curvature, zero));
  }
  sums.value = value;
  sums.energy = energy;
  sums.sensitivity = sensitivity;
}

// kPlain: all weights and sigmas are one.
template <Space S_, Loss L_, Terms kWanted, bool kPlain>
void rows(const ObjectiveBlock& arguments, int count, ObjectiveSums& sums) {
  const ObjectiveBlock in = arguments;   // a copy the stores below cannot alias
  const V zero = broadcast(0.0);
  V value = sums.value, energy = sums.energy, sensitivity = sums.sensitivity;
  for (int k = 0; k < count; ++k) {
    V m = load(in.model + k * in.model_stride);
    SpaceTerms space = space_terms<S_>(m);
    if constexpr (kPlain) {
      const LossTerms loss = loss_terms<L_>(load(in.target + k * W) - space.t, in.shape);
      value += loss.value;
      if constexpr (kWanted == Terms::value) continue;
      const V majoriser = loss.omega * space.dt * space.dt, slope = -loss.psi * space.dt;
      energy += majoriser * m * m;
      sensitivity += vabs(slope * m);
      store(in.slope + k * W, slope);
      store(in.majoriser + k * W, majoriser);
      if constexpr (kWanted == Terms::curvature) {
        V curvature = loss.dpsi * space.dt * space.dt;
        if constexpr (S_ == Space::log || S_ == Space::logit) curvature = curvature - loss.psi * space.d2t;
        store(in.curvature + k * W, curvature);
      }
      continue;
    }
    V weight = load(in.weight + k * in.weight_stride), inverse_sigma = load(in.inverse_sigma + k * in.sigma_stride);
    V r = (load(in.target + k * W) - space.t) * inverse_sigma;
    LossTerms loss = loss_terms<L_>(r, in.shape);
    // Rows of weight zero are padding or not drawn: they must not count even when m is not finite.
    L counts = weight > zero;
    value += select(counts, weight * loss.value, zero);
    if constexpr (kWanted == Terms::value) continue;
    V dt = space.dt * inverse_sigma;
    V majoriser = select(counts, weight * loss.omega * dt * dt, zero);
    energy += select(counts, majoriser * m * m, zero);
    const V slope = select(counts, -weight * loss.psi * dt, zero);
    sensitivity += select(counts, vabs(slope * m), zero);
    store(in.slope + k * W, slope);
    store(in.majoriser + k * W, majoriser);
    if constexpr (kWanted == Terms::curvature) {
      V curvature = loss.dpsi * dt * dt;
      if constexpr (S_ == Space::log || S_ == Space::logit) curvature = curvature - loss.psi * space.d2t * inverse_sigma;
      store(in.curvature + k * W, select(counts, weight * curvature, zero));
    }
  }
  sums.value = value;
  sums.energy = energy;
  sums.sensitivity = sensitivity;
}

template <Space S_, Loss L_, Terms kWanted>
void block(const ObjectiveBlock& in, int count, ObjectiveSums& sums) {
  const bool plain = !in.weight_stride && !in.sigma_stride;
  if constexpr (of_counts(L_)) (plain ? count_rows<L_, kWanted, true> : count_rows<L_, kWanted, false>)(in, count, sums);
  else (plain ? rows<S_, L_, kWanted, true> : rows<S_, L_, kWanted, false>)(in, count, sums);
}

template <Space S_, Loss L_> ObjectiveKernel pick(Terms wanted) {
  if (wanted == Terms::value) return block<S_, L_, Terms::value>;
  return wanted == Terms::slope ? block<S_, L_, Terms::slope> : block<S_, L_, Terms::curvature>;
}

template <Space S_> ObjectiveKernel pick(Loss loss, Terms wanted) {
  switch (loss) {
    case Loss::squared: return pick<S_, Loss::squared>(wanted);
    case Loss::huber: return pick<S_, Loss::huber>(wanted);
    case Loss::soft_l1: return pick<S_, Loss::soft_l1>(wanted);
    case Loss::cauchy: return pick<S_, Loss::cauchy>(wanted);
    case Loss::absolute: return pick<S_, Loss::absolute>(wanted);
    case Loss::quantile: return pick<S_, Loss::quantile>(wanted);
    case Loss::student_t: return pick<S_, Loss::student_t>(wanted);
    default: return pick<S_, Loss::log_cosh>(wanted);
  }
}

}  // namespace

// A relative residual (y - m)/y is a linear one with sigma = y, so it needs no kernel of its own.
ObjectiveKernel objective_kernel(Space space, Loss loss, Terms wanted) {
  switch (loss) {   // these have no residual, hence no space
    case Loss::poisson: return pick<Space::linear, Loss::poisson>(wanted);
    case Loss::negative_binomial: return pick<Space::linear, Loss::negative_binomial>(wanted);
    case Loss::binomial: return pick<Space::linear, Loss::binomial>(wanted);
    default: break;
  }
  switch (space) {
    case Space::log: return pick<Space::log>(loss, wanted);
    case Space::logit: return pick<Space::logit>(loss, wanted);
    default: return pick<Space::linear>(loss, wanted);
  }
}

namespace {
// The datum from T(y), and dT/dy there.
template <Space S_> LAWFIT_INLINE SpaceTerms datum_terms(V t) {
  if constexpr (S_ == Space::linear) return {t, broadcast(1.0), broadcast(0.0)};
  const V y = S_ == Space::log ? v_exp(t) : v_logistic(t);
  return {y, space_terms<S_>(y).dt, broadcast(0.0)};
}
LAWFIT_INLINE V per_share_deviation(V y) { return broadcast(1.0) / vsqrt(vmax(y * (broadcast(1.0) - y), broadcast(kLeastShareVariance))); }
LAWFIT_INLINE V per_count_deviation(V y, V dispersion) {
  return broadcast(1.0) / vsqrt(fma(dispersion * y, y, vmax(y, broadcast(kLeastCount))));
}

enum class Datum { residual, count, share };
template <Space S_, Datum D_> void linearised(const ObjectiveBlock& arguments, int count, ObjectiveSums&) {
  const ObjectiveBlock in = arguments;
  const V zero = broadcast(0.0);
  for (int k = 0; k < count; ++k) {
    const SpaceTerms datum = datum_terms<S_>(load(in.target + k * W));
    V per = datum.dt * load(in.inverse_sigma + k * in.sigma_stride);
    if constexpr (D_ == Datum::share) per *= per_share_deviation(datum.t);
    if constexpr (D_ == Datum::count) per *= per_count_deviation(datum.t, in.shape.scale);
    const V weight = load(in.weight + k * in.weight_stride), r = (datum.t - load(in.model + k * in.model_stride)) * per;
    const L counts = weight > zero;
    store(in.slope + k * W, select(counts, -weight * r * per, zero));
    store(in.majoriser + k * W, select(counts, weight * per * per, zero));
  }
}
}  // namespace

ObjectiveKernel linearised_kernel(Space space, Loss loss) {
  if (loss == Loss::binomial) return linearised<Space::linear, Datum::share>;
  if (of_counts(loss)) return linearised<Space::linear, Datum::count>;
  if (space == Space::log) return linearised<Space::log, Datum::residual>;
  if (space == Space::logit) return linearised<Space::logit, Datum::residual>;
  return linearised<Space::linear, Datum::residual>;
}

double space_transform(Space space, double value) {
  switch (space) {
    case Space::log: return std::log(value);
    case Space::logit: return std::log(value / (1 - value));
    default: return value;
  }
}

double space_inverse(Space space, double value) {
  switch (space) {
    case Space::log: return std::exp(value);
    case Space::logit: return 1 / (1 + std::exp(-value));
    default: return value;
  }
}

double typical_residual(Loss loss, double s, double mean) {
  const double quadratic = std::sqrt(2 * std::max(mean, 0.0));
  switch (loss) {
    case Loss::huber: case Loss::soft_l1: case Loss::log_cosh: return quadratic < s ? quadratic : mean / s + s / 2;
    case Loss::cauchy: return quadratic < s ? quadratic : s * std::sqrt(std::expm1(std::min(2 * mean / (s * s), 100.0)));
    case Loss::absolute: return mean;
    case Loss::quantile: return 2 * mean;
    default: return quadratic;
  }
}
double first_scale(Loss loss, double target, double spread, double smallest) {
  spread = std::max(spread, smallest);
  switch (loss) {
    case Loss::squared: return 0;
    case Loss::huber: case Loss::absolute: case Loss::quantile: return 0.5 * spread;
    // Smooth everywhere, and where not convex a wider loss has other optima.
    default: return target;
  }
}

bool has_kink(Loss loss) { return loss == Loss::absolute || loss == Loss::quantile; }

}  // namespace lawfit
