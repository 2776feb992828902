// Residual space x loss as one pointwise contract: from the model value m, the datum, its
// weight and sigma come the value, slope, curvature and majoriser weight with respect to m.
// Likelihoods of counts and shares depend on m and y themselves; their value is half the deviance,
// their majoriser weight the Fisher information.
#pragma once
#include "vector_math.hpp"

namespace lawfit {

enum class Space { linear, log, logit, relative };
enum class Loss { squared, huber, soft_l1, cauchy, absolute, quantile, log_cosh, student_t, poisson, negative_binomial, binomial };
constexpr bool likelihood(Loss loss) { return loss >= Loss::student_t; }        // values are half deviances
constexpr bool of_counts(Loss loss) { return loss >= Loss::poisson; }   // terms of m and y, not of a residual

// For one loss: value, psi = dvalue/dr, dpsi/dr, and the weight omega of the quadratic that
// touches the loss at r and lies above it everywhere.
struct LossTerms { V value, psi, dpsi, omega; };

// scale: the loss's own (delta); for the absolute and quantile losses the width of the smoothed
// kink, which the solver drives towards zero. reach: residuals up to it are treated as inside the
// quadratic part; it is the scale itself, except right after the scale has shrunk, when the rows
// that were inside are about to follow it. tail: the quantile's level; of Student's t 1/nu, 0 being
// the normal distribution. The scale of the negative binomial is its dispersion 1/size, 0 being Poisson.
struct LossShape {
  V scale, tail, reach;
  static LossShape of(V scale, V tail) { return {scale, tail, scale}; }
};
struct LossNumbers { double scale, tail; };

template <Loss L_> LAWFIT_INLINE LossTerms loss_terms(V r, const LossShape& shape) {
  const V s = shape.scale, q = shape.tail;
  (void)s; (void)q;
  const V one = broadcast(1.0), zero = broadcast(0.0);
  const V size = vabs(r);
  if constexpr (L_ == Loss::squared) {
    return {broadcast(0.5) * r * r, r, one, one};
  } else if constexpr (L_ == Loss::huber) {
    V inner = vmin(size, s);
    const L inside = size <= shape.reach;
    return {inner * fnma(broadcast(0.5), inner, size), select(inside, r, copysign(s, r)), select(inside, one, zero),
            s / vmax(size, s)};
  } else if constexpr (L_ == Loss::soft_l1) {
    V z = r / s, t = vsqrt(fma(z, z, one)), inverse = one / t;
    return {r * r / (one + t), r * inverse, inverse * inverse * inverse, inverse};
  } else if constexpr (L_ == Loss::cauchy) {
    V z = r / s, z2 = z * z, inverse = one / (one + z2);
    return {broadcast(0.5) * s * s * v_log1p(z2), r * inverse, (one - z2) * inverse * inverse, inverse};
  } else if constexpr (L_ == Loss::absolute) {
    V inner = vmin(size, s);
    V smooth = inner * fnma(broadcast(0.5), inner, size) / s;   // |r| - s/2 outside
    const L inside = size <= shape.reach;
    return {smooth, select(inside, r / s, copysign(one, r)), select(inside, one / s, zero), one / vmax(size, s)};
  } else if constexpr (L_ == Loss::quantile) {
    V inner = vmin(size, s), tilt = q - broadcast(0.5), half = broadcast(0.5);
    V smooth = inner * fnma(half, inner, size) / s;
    const L inside = size <= shape.reach;
    return {half * smooth + tilt * r, half * select(inside, r / s, copysign(one, r)) + tilt, select(inside, half / s, zero),
            half / vmax(size, s)};
  } else if constexpr (L_ == Loss::student_t) {   // (1/tail + 1)/2 log(1 + tail r^2/s^2)
    const V s2 = s * s, u = r * r / s2, x = q * u, more = one + q, inverse = one / (s2 + q * r * r);
    const V near = select(x > broadcast(1e-290), v_log1p(x) / x, one);
    return {broadcast(0.5) * more * u * near, more * r * inverse, more * (s2 - q * r * r) * inverse * inverse, more * inverse};
  } else {
    V z = size / s, e = v_exp(broadcast(-2.0) * z);
    V t = (one - e) / (one + e);
    V value = s * s * (z + v_log1p(e) - broadcast(0.69314718055994530942));
    // log cosh z loses all its digits below z = 1e-3, where its series has them.
    V z2 = z * z;
    value = select(z < broadcast(1e-3), s * s * z2 * (broadcast(0.5) - z2 * broadcast(1.0 / 12)), value);
    t = select(z < broadcast(1e-3), z * (one - z2 * broadcast(1.0 / 3)), t);
    V omega = select(z > zero, t / z, one);
    return {value, copysign(s * t, r), one - t * t, omega};
  }
}

// d - log(1 + d), never negative; it loses all its digits below 1e-2, where its series has them.
LAWFIT_INLINE V log_excess(V d) {
  V series = broadcast(1.0 / 10);
  for (int k = 9; k >= 2; --k) series = fma(-series, d, broadcast(1.0 / k));
  return select(vabs(d) < broadcast(1e-2), d * d * series, d - v_log1p(d));
}
// y log(y/m) - y + m over `spread`, and 0 log 0 = 0; infinite where m leaves [0, inf) or, for y > 0, (0, inf).
LAWFIT_INLINE V half_deviance(V m, V y, V spread) {
  const V zero = broadcast(0.0), positive = select(y > zero, y, broadcast(1.0));
  const V value = select(y > zero, y * log_excess((m - y) / (positive * spread)), m / spread);
  return select(m >= zero, value, broadcast(infinity));
}
LAWFIT_INLINE V share_of(V y, V m) { return select(y > broadcast(0.0), y / m, broadcast(0.0)); }   // y/m, 0/0 = 0

// For one likelihood of counts or shares y with mean m: value, and its derivatives with respect to m.
// room: distance of m from the nearest end of its domain, what it is large or small against.
struct CountTerms { V value, slope, curvature, information, room; };
template <Loss L_> LAWFIT_INLINE CountTerms count_terms(V m, V y, const LossShape& shape) {
  const V one = broadcast(1.0), zero = broadcast(0.0), least = broadcast(1e-300);
  const V ratio = share_of(y, m), bent = share_of(ratio, m);
  if constexpr (L_ == Loss::poisson) {
    return {half_deviance(m, y, one), one - ratio, bent, one / vmax(m, least), m};
  } else if constexpr (L_ == Loss::negative_binomial) {
    const V a = shape.scale, spread = fma(a, m, one), inverse = one / spread;
    const V tilt = a * (y - m) * inverse;
    const V value = half_deviance(m, y, spread) + select(a > zero, log_excess(tilt) / a, zero);
    // The variance is m + a m^2.
    return {value, (one - ratio) * inverse, (bent * (spread + a * m) - a) * inverse * inverse, inverse / vmax(m, least), m};
  } else {
    const V rest = one - m, failed = one - y, other = share_of(failed, rest);
    const V curvature = bent + share_of(other, rest), product = m * rest;
    return {half_deviance(m, y, one) + half_deviance(rest, failed, one), other - ratio, curvature,
            select(product > zero, one / product, curvature), vmin(m, rest)};
  }
}

// Residual-space transform T(m) with its first two derivatives.
struct SpaceTerms { V t, dt, d2t; };
template <Space S_> LAWFIT_INLINE SpaceTerms space_terms(V m) {
  const V one = broadcast(1.0);
  if constexpr (S_ == Space::log) {
    V inverse = one / m;
    return {v_log(m), inverse, -inverse * inverse};
  } else if constexpr (S_ == Space::logit) {
    V rest = one - m, dt = one / (m * rest);
    return {v_log(m / rest), dt, (m + m - one) * dt * dt};
  } else {
    return {m, one, broadcast(0.0)};
  }
}

double space_transform(Space space, double value);   // T(y) for a datum
double space_inverse(Space space, double value);

// One block of points: strides are W where the operand varies by point, 0 where it does not.
struct ObjectiveBlock {
  const double *model, *target, *inverse_sigma, *weight;
  int model_stride, sigma_stride, weight_stride;
  LossShape shape;
  double *slope, *majoriser, *curvature;   // out, those that are wanted
  ObjectiveBlock from(int k) const {       // the same block starting at point k
    ObjectiveBlock b = *this;
    b.model += k * model_stride;
    b.target += k * W;
    b.inverse_sigma += k * sigma_stride;
    b.weight += k * weight_stride;
    return b;
  }
};
// energy: sum of majoriser * m^2, the scale of the damping. sensitivity: sum of |slope * m|, how much
// the value moves per relative error of the model values, hence its rounding.
struct ObjectiveSums { V value, energy, sensitivity; };

using ObjectiveKernel = void (*)(const ObjectiveBlock&, int count, ObjectiveSums& sums);
enum class Terms { value, slope, curvature };   // each with those before; energy and sensitivity come with the slope
ObjectiveKernel objective_kernel(Space space, Loss loss, Terms wanted);
// Squared residuals of the model itself, each over what a unit of T is worth at the datum (for counts and
// shares: over the likelihood's own standard deviation there): what is linear in the model stays so. No sums.
ObjectiveKernel linearised_kernel(Space space, Loss loss);
constexpr double kLeastShareVariance = 0.05, kLeastCount = 0.5;   // of a datum, for its deviation

bool has_kink(Loss loss);     // not differentiable at r = 0
inline bool forgets(Loss loss) { return loss == Loss::cauchy || loss == Loss::student_t; }   // rows far out hardly count
// The residual whose loss is the given mean loss: how large residuals typically are.
double typical_residual(Loss loss, double scale, double mean_value);
// Loss scale from which the finish relaxes to the target; spread: root mean square residual.
double first_scale(Loss loss, double target, double spread, double smallest);

}  // namespace lawfit
