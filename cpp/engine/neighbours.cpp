#include "neighbours.hpp"

#include <algorithm>
#include <cmath>

#include "dense.hpp"
#include "draws.hpp"

namespace lawfit {

namespace {
constexpr double kNearest = 0.3, kFarthest = 10;   // times what one row's loss pays for
constexpr double kLeastCurvature = 1e-8;           // scaled: along a flat valley there is no end to go to

// The curvature of reweighted least squares, scaled to a unit diagonal; `unit` receives the scales.
bool scaled_curvature(RowModel& model, const RowView& range, const double* at, double width, Matrix& out, Vector& unit) {
  const auto p = unit.size();
  std::vector<double> majoriser(range.count), jacobian(range.count * p);
  model.rows(at, range, {nullptr, nullptr, majoriser.data(), nullptr, jacobian.data()}, width);
  out = Matrix::Zero(p, p);
  for (int64_t r = 0; r < range.count; ++r) {
    const Eigen::Map<const Vector> j(&jacobian[r * p], p);
    out.noalias() += majoriser[r] * j * j.transpose();
  }
  unit = out.diagonal().cwiseSqrt().cwiseInverse();
  if (!unit.allFinite()) return false;
  out = unit.asDiagonal() * out * unit.asDiagonal();
  return out.allFinite();
}
}  // namespace

bool draw_neighbours(RowModel& model, const RowView& range, const double* optimum, const std::vector<double>& lower, const std::vector<double>& upper,
                     uint64_t seed, int number, double* out) {
  const auto p = static_cast<Eigen::Index>(lower.size());
  const double objective = model.objective(optimum, range);
  Matrix curvature;
  Vector unit(p);
  if (!(objective > 0) || !scaled_curvature(model, range, optimum, objective / model.weight_total(range), curvature, unit)) return false;
  const Eigenvalues axes = eigenvalues(curvature);
  if (!axes.found) return false;
  const Vector lengths = axes.values.cwiseMax(kLeastCurvature).cwiseSqrt().cwiseInverse();
  for (int n = 0; n < number; ++n) {
    Draws draws(seed, n);
    const double reach = std::sqrt(objective / static_cast<double>(range.count)) * kNearest * std::pow(kFarthest / kNearest, draws.uniform());
    Vector along(p);
    for (double& length : along) length = reach * draws.normal();
    const Vector step = axes.directions * along.cwiseProduct(lengths);
    for (Eigen::Index k = 0; k < p; ++k) out[n * p + k] = std::clamp(optimum[k] + step[k] * unit[k], lower[k], upper[k]);
  }
  return true;
}

}  // namespace lawfit
