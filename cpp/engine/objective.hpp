// Residual space x loss as one pointwise contract: from the model value m, the datum, its
// weight and sigma come the value, slope, curvature and majoriser weight with respect to m.
#pragma once
#include "vector_math.hpp"

namespace lawfit {

enum class Space { linear, log, logit, relative };
enum class Loss { squared, huber, soft_l1, cauchy, absolute, quantile, log_cosh };

// For one loss: value, psi = dvalue/dr, dpsi/dr, and the weight omega of the quadratic that
// touches the loss at r and lies above it everywhere.
struct LossTerms { V value, psi, dpsi, omega; };

// scale: the loss's own (delta); for the absolute and quantile losses the width of the smoothed
// kink, which the solver drives towards zero. reach: residuals up to it are treated as inside the
// quadratic part; it is the scale itself, except right after the scale has shrunk, when the rows
// that were inside are about to follow it.
struct LossShape {
  V scale, quantile, reach;
  static LossShape of(V scale, V quantile) { return {scale, quantile, scale}; }
};

template <Loss L_> LAWFIT_INLINE LossTerms loss_terms(V r, const LossShape& shape) {
  const V s = shape.scale, q = shape.quantile;
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
  double *slope, *majoriser, *curvature;   // out; curvature only when the Hessian is wanted
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
ObjectiveKernel objective_kernel(Space space, Loss loss, bool with_curvature);

bool has_kink(Loss loss);     // not differentiable at r = 0
// The residual whose loss is the given mean loss: how large residuals typically are.
double typical_residual(Loss loss, double scale, double mean_value);

}  // namespace lawfit
