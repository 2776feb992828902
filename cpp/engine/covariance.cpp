#include "covariance.hpp"

#include <algorithm>
#include <cmath>
#include <vector>

#include "dense.hpp"
#include "nuisance.hpp"

namespace lawfit {

namespace {
constexpr double kRankTolerance = 1e-11;    // smallest over largest singular value of the scaled Jacobian
constexpr double kBoundless = 1e100;        // a parameter beyond this, or the inverse, ran off
constexpr double kHardlyHeld = 1e-3;        // relative singular value of what it may have run off along
constexpr double kHessianTolerance = 1e-14; // eigenvalue of the scaled Hessian that says nothing
constexpr double kUnpressed = 1e-3;         // cosine of residuals and column of a parameter that no bound holds
constexpr double kPerfectFit = 4e-24;       // squared relative residuals that may be all rounding
constexpr double kNotFelt = 1e-12;          // relative change of fitted values per relative change
constexpr double kTakesPart = 0.05;         // share of a null direction that names a parameter

std::vector<int> off_bounds(const int8_t* active, int p) {
  std::vector<int> free;
  for (int k = 0; k < p; ++k) if (!active[k]) free.push_back(k);
  return free;
}

// The rows of the data, and after them one for each prior.
struct RowTable {
  std::vector<double> model, slope, majoriser, curvature, jacobian;
  int64_t all;
  RowTable(RowModel& source, const double* parameters, int p, const RowView& range) : all(range.count + static_cast<int64_t>(source.priors().size())) {
    for (auto* v : {&model, &slope, &majoriser, &curvature}) v->resize(all);
    jacobian.resize(all * p);
    const double spread = source.objective(parameters, range) / static_cast<double>(std::max<int64_t>(range.count, 1));
    source.rows(parameters, range, {model.data(), slope.data(), majoriser.data(), curvature.data(), jacobian.data()}, spread);
    int64_t r = range.count;
    for (const Prior& prior : source.priors()) {
      const PriorTerms terms = prior_terms(prior, parameters[prior.parameter]);
      model[r] = std::sqrt(prior.weight) * parameters[prior.parameter];
      slope[r] = terms.residual;
      majoriser[r] = 1;
      jacobian[r++ * p + prior.parameter] = terms.jacobian;
    }
  }
  // How often a row was drawn; a prior always is there once.
  double drawn(const CovarianceRequest& request, int64_t r) const { return request.frequency && r < request.count ? request.frequency[r] : 1; }
};

Matrix scaled_jacobian(const RowTable& rows, const std::vector<int>& free, int p) {
  const auto n = static_cast<Eigen::Index>(rows.model.size());
  Matrix j(n, static_cast<Eigen::Index>(free.size()));
  for (Eigen::Index r = 0; r < n; ++r) {
    const double root = std::sqrt(std::max(rows.majoriser[r], 0.0));
    for (size_t k = 0; k < free.size(); ++k) j(r, k) = root > 0 ? root * rows.jacobian[r * p + free[k]] : 0;
  }
  return j;
}

// Inverse of V diag(values) V' in units `scale`. Directions without information are left out, and
// parameters that take part in one get NaN: the rest keep their variances.
Matrix inverse_of(const Matrix& directions, const Vector& values, double smallest, const Vector& scale) {
  const Eigen::Index q = values.size();
  Matrix out = Matrix::Zero(q, q);
  std::vector<char> lost(q, 0);
  for (Eigen::Index s = 0; s < q; ++s) {
    const Vector v = directions.col(s);
    if (values(s) > smallest) out.noalias() += v * v.transpose() / values(s);
    else for (Eigen::Index k = 0; k < q; ++k) if (std::fabs(v(k)) > kTakesPart) lost[k] = 1;
  }
  for (Eigen::Index i = 0; i < q; ++i)
    for (Eigen::Index k = 0; k < q; ++k) out(i, k) = lost[i] || lost[k] ? not_a_number : out(i, k) / (scale(i) * scale(k));
  return out;
}

// (J'J)^-1 by the singular values of J's triangle, with columns scaled to unit length first.
bool gram_inverse(Matrix j, Matrix& out) {
  if (!j.allFinite() || j.rows() < j.cols()) return false;
  Vector scale = j.colwise().stableNorm();
  for (Eigen::Index k = 0; k < j.cols(); ++k) {
    if (!(scale(k) > 0)) scale(k) = 1;
    j.col(k) /= scale(k);
  }
  const SingularValues found = singular_values(j);
  out = inverse_of(found.directions, found.values.cwiseAbs2(), std::pow(kRankTolerance * found.values(0), 2), scale);
  return true;
}

// Inverse of a symmetric matrix, scaled to unit diagonal first; false unless it is a minimum's.
bool definite_inverse(Matrix h, Matrix& out) {
  if (!h.allFinite() || !(h.diagonal().minCoeff() > 0)) return false;
  const Vector scale = h.diagonal().cwiseSqrt(), inverse = scale.cwiseInverse();
  h = inverse.asDiagonal() * h * inverse.asDiagonal();
  const Eigenvalues found = eigenvalues(h);
  if (!found.found || found.values(0) < -kHessianTolerance) return false;
  out = inverse_of(found.directions, found.values, kHessianTolerance, scale);
  return true;
}

// What stands beside the law's parameters: the numbers of the loss that are estimated and on no bound.
struct Numbers {
  std::vector<int> place;          // of Density's derivatives
  NuisanceSums sums;
  Numbers(RowModel& model, const RowView& range, const RowTable& rows) {
    const NuisanceView view(model.objective());
    if (view.count == 0) return;
    sums = nuisance_sums(model, range, rows.model, rows.slope);
    const LossNumbers at = model.numbers(range);
    for (int k = 0; k < view.count; ++k) {
      const bool counts = model.loss() == Loss::negative_binomial;
      const bool held = counts ? at.scale == 0 : view.place[k] == 1 && (at.tail == 0 || at.tail >= kHeaviestTail);
      if (held) continue;
      kept.push_back(k);
      place.push_back(view.place[k]);
    }
  }
  size_t size() const { return kept.size(); }
  std::vector<int> kept;           // of the estimated ones
};

// Second derivatives by the free parameters, then by the numbers.
Matrix joint_hessian(const std::vector<double>& full, const RowTable& rows, const std::vector<int>& free, const Numbers& numbers, int p) {
  const auto q = static_cast<Eigen::Index>(free.size()), f = static_cast<Eigen::Index>(numbers.size());
  Matrix h(q + f, q + f);
  for (Eigen::Index i = 0; i < q; ++i)
    for (Eigen::Index k = 0; k < q; ++k) h(i, k) = full[static_cast<size_t>(free[i]) * p + free[k]];
  for (Eigen::Index a = 0; a < f; ++a) {
    const int number = numbers.kept[a];
    for (Eigen::Index b = 0; b < f; ++b) h(q + a, q + b) = numbers.sums.second[number][numbers.kept[b]];
    for (Eigen::Index i = 0; i < q; ++i) {
      double sum = 0;
      for (size_t r = 0; r < numbers.sums.cross[number].size(); ++r) if (rows.majoriser[r] > 0) sum += numbers.sums.cross[number][r] * rows.jacobian[r * p + free[i]];
      h(i, q + a) = h(q + a, i) = sum;
    }
  }
  return h;
}

// Sum over units (clusters, else rows) of outer products of their gradients. A unit drawn m times
// has m times the gradient and must count m times, not m squared.
Matrix meat(const RowTable& rows, const std::vector<int>& free, const Numbers& numbers, int p, const CovarianceRequest& request) {
  const auto own = static_cast<Eigen::Index>(free.size()), q = own + static_cast<Eigen::Index>(numbers.size());
  int64_t groups = request.count;
  if (request.clusters) groups = 1 + *std::max_element(request.clusters, request.clusters + request.count);
  const int64_t units = groups + rows.all - request.count;
  Matrix gradients = Matrix::Zero(q, units), out = Matrix::Zero(q, q);
  std::vector<double> drawn(units, request.frequency ? 0 : 1);
  for (int64_t r = 0; r < rows.all; ++r) {
    if (!(rows.majoriser[r] > 0)) continue;
    const int64_t u = r >= request.count ? groups + r - request.count : request.clusters ? request.clusters[r] : r;
    if (request.frequency) drawn[u] = std::max(drawn[u], rows.drawn(request, r));
    for (Eigen::Index k = 0; k < own; ++k) gradients(k, u) += rows.slope[r] * rows.jacobian[r * p + free[k]];
    for (Eigen::Index k = own; k < q && r < request.count; ++k) gradients(k, u) += numbers.sums.score[numbers.kept[k - own]][r];
  }
  for (int64_t u = 0; u < units; ++u)
    if (drawn[u] > 0) out.noalias() += gradients.col(u) * gradients.col(u).transpose() / drawn[u];
  return out;
}

// Clusters with rows in use; a cluster drawn twice is two.
double cluster_count(const RowTable& rows, const CovarianceRequest& request) {
  std::vector<double> drawn(1 + *std::max_element(request.clusters, request.clusters + request.count), 0.0);
  for (int64_t r = 0; r < request.count; ++r)
    if (rows.majoriser[r] > 0) drawn[request.clusters[r]] = std::max(drawn[request.clusters[r]], request.frequency ? request.frequency[r] : 1);
  double total = static_cast<double>(rows.all - request.count);
  for (double d : drawn) total += d;
  return total;
}
}  // namespace

void covariance(RowModel& model, const double* parameters, const int8_t* active, const CovarianceRequest& request, double* out, int p,
                double* numbers_out) {
  std::fill(out, out + static_cast<size_t>(p) * p, not_a_number);
  if (numbers_out) std::fill_n(numbers_out, kMostNuisance, not_a_number);
  const CovarianceKind kind = request.kind;
  if (has_kink(model.loss()) && kind != CovarianceKind::jacobian) return;   // no curvature to invert
  const std::vector<int> free = off_bounds(active, p);
  const auto q = static_cast<Eigen::Index>(free.size());
  const RowView range{request.begin, request.count, request.weight, request.target, request.own};
  const RowTable rows(model, parameters, p, range);
  const TableData& table = model.table();
  double used = 0, spread = 0, weights = 0;
  for (int64_t r = 0; r < rows.all; ++r) {
    if (!(rows.majoriser[r] > 0)) continue;
    used += rows.drawn(request, r);
    spread += rows.slope[r] * rows.slope[r] / rows.majoriser[r];
    if (r >= request.count) weights += 1;
    else weights += request.weight ? request.weight[r] : table.weight.empty() ? 1 : table.weight[request.begin + r];
  }
  const bool known = likelihood(model.loss()) && kind == CovarianceKind::hessian;   // no scale to estimate from what is left
  const double freedom = used - static_cast<double>(q);
  if (q == 0 || !(known ? freedom >= 0 : freedom > 0)) return;
  Matrix result;
  if (kind == CovarianceKind::jacobian) {
    if (!gram_inverse(scaled_jacobian(rows, free, p), result)) return;
    if (!request.absolute) result *= spread / freedom;
  } else {
    std::vector<double> full(static_cast<size_t>(p) * p);
    model.hessian(parameters, range, full.data());
    const Numbers numbers(model, range, rows);
    Matrix inverse;
    if (!definite_inverse(joint_hessian(full, rows, free, numbers, p), inverse)) return;
    if (known) {
      result = inverse * (weights / used);
      for (size_t k = 0; numbers_out && k < numbers.size(); ++k) {
        const auto at = q + static_cast<Eigen::Index>(k);
        numbers_out[numbers.place[k]] = result(at, at);
      }
    } else if (kind == CovarianceKind::hessian) {
      result = request.absolute ? inverse : Matrix(inverse * (spread / freedom));
    } else {
      double correction = used / freedom;
      if (kind == CovarianceKind::cluster) {   // as usual for few clusters: G/(G - 1) (n - 1)/(n - p)
        const double clusters = cluster_count(rows, request);
        if (!(clusters > 1)) return;
        correction = clusters / (clusters - 1) * (used - 1) / freedom;
      }
      result = sandwich(inverse, meat(rows, free, numbers, p, request)) * correction;
    }
  }
  // A variance that rounding made negative says that the matrix holds no digits for its parameter.
  for (Eigen::Index i = 0; i < q; ++i)
    for (Eigen::Index k = 0; k < q; ++k)
      out[static_cast<size_t>(free[i]) * p + free[k]] = result(i, i) >= 0 && result(k, k) >= 0 ? result(i, k) : not_a_number;
}

void leverages(RowModel& model, Space space, const double* parameters, const int8_t* active, int p, int64_t begin, int64_t count, double* out) {
  std::fill(out, out + count, 0.0);
  const std::vector<int> free = off_bounds(active, p);
  std::vector<double> fitted(count), information(count), jacobian(count * p);
  model.rows(parameters, {begin, count}, {fitted.data(), nullptr, information.data(), nullptr, jacobian.data()});
  Matrix j = Matrix::Zero(count + static_cast<Eigen::Index>(model.priors().size()), static_cast<Eigen::Index>(free.size()));
  for (size_t i = 0; i < model.priors().size(); ++i)
    for (size_t k = 0; k < free.size(); ++k)
      if (const Prior& prior = model.priors()[i]; prior.parameter == free[k]) j(count + static_cast<Eigen::Index>(i), k) = prior_terms(prior, parameters[free[k]]).jacobian;
  const TableData& table = model.table();
  for (int64_t r = 0; r < count; ++r) {
    const double slope = space == Space::log ? 1 / fitted[r] : space == Space::logit ? 1 / (fitted[r] * (1 - fitted[r])) : 1;
    const double scale = of_counts(model.loss()) ? std::sqrt(information[r]) : slope * (table.inverse_sigma.empty() ? 1 : table.inverse_sigma[begin + r]) *
                         (table.weight.empty() ? 1 : std::sqrt(table.weight[begin + r]));
    for (size_t k = 0; k < free.size(); ++k) j(r, k) = scale * jacobian[r * p + free[k]];
  }
  if (!j.allFinite() || j.size() == 0) return;
  for (Eigen::Index k = 0; k < j.cols(); ++k) if (const double norm = j.col(k).stableNorm(); norm > 0) j.col(k) /= norm;
  const Matrix basis = column_space(j, kRankTolerance);
  for (int64_t r = 0; r < count; ++r) out[r] = basis.row(r).squaredNorm();
}

namespace {
// A parameter that sits on a bound without being pressed against it is as free as any other.
std::vector<int> unpressed(const RowTable& rows, const int8_t* active, int p) {
  std::vector<int> free;
  for (int k = 0; k < p; ++k) {
    double slope = 0, column = 0, residual = 0;
    for (size_t r = 0; active[k] && r < rows.slope.size(); ++r) {
      if (!(rows.majoriser[r] > 0)) continue;
      const double j = rows.jacobian[r * p + k];
      slope += rows.slope[r] * j;
      column += rows.majoriser[r] * j * j;
      residual += rows.slope[r] * rows.slope[r] / rows.majoriser[r] + kPerfectFit * rows.majoriser[r] * rows.model[r] * rows.model[r];
    }
    if (!active[k] || std::fabs(slope) <= kUnpressed * std::sqrt(column * residual)) free.push_back(k);
  }
  return free;
}

bool runs_off(const double* parameters, int p) {
  return std::any_of(parameters, parameters + p, [](double v) { return v != 0 && (std::fabs(v) > kBoundless || std::fabs(v) < 1 / kBoundless); });
}

// Do the fitted values not feel a relative change of parameter k? A linear parameter near zero is
// simply small; so is any other whose being zero would change nothing, unless its natural size is one.
bool idle(RowModel& model, const Problem& problem, const double* parameters, int k, double norm, double felt, const RowView& range) {
  if (problem.linear[k] || parameters[k] == 0) return false;
  if (norm * std::max(std::fabs(parameters[k]), problem.typical[k]) > kNotFelt * felt) return false;
  if (problem.typical[k] > 0) return true;
  std::vector<double> without(parameters, parameters + problem.parameters());
  without[k] = 0;
  const double with = model.objective(parameters, range), zeroed = model.objective(without.data(), range);
  return !(zeroed <= with * (1 + 1e-6) + kPerfectFit * felt * felt);
}
}  // namespace

bool find_tradeoffs(RowModel& model, const Problem& problem, const double* parameters, const int8_t* active, const RowView& range,
                    uint8_t* tradeoff) {
  const int p = problem.parameters();
  const RowTable rows(model, parameters, p, range);
  const std::vector<int> free = unpressed(rows, active, p);
  if (free.empty()) return false;
  double felt = 0;
  for (size_t r = 0; r < rows.model.size(); ++r) if (rows.majoriser[r] > 0) felt += rows.majoriser[r] * rows.model[r] * rows.model[r];
  felt = std::sqrt(felt);
  Matrix j = scaled_jacobian(rows, free, p);
  bool lacking = false;
  if (!j.allFinite()) return false;
  for (Eigen::Index k = 0; k < j.cols(); ++k) {
    const double norm = j.col(k).stableNorm();
    if (norm > 0) j.col(k) /= norm;
    if (norm > 0 && !idle(model, problem, parameters, free[k], norm, felt, range)) continue;
    lacking = true;   // a parameter without any influence trades off with itself
    tradeoff[static_cast<size_t>(free[k]) * p + free[k]] = 1;
  }
  if (j.rows() < j.cols()) return lacking;
  const SingularValues found = singular_values(j);
  const Vector& values = found.values;
  const double tolerance = runs_off(parameters, p) ? kHardlyHeld : kRankTolerance;
  for (Eigen::Index s = 0; s < values.size(); ++s) {
    if (values(s) > tolerance * values(0)) continue;
    lacking = true;
    const Vector direction = found.directions.col(s).cwiseAbs();
    for (Eigen::Index a = 0; a < direction.size(); ++a)
      for (Eigen::Index b = 0; b < direction.size(); ++b)
        if (a != b && direction(a) > kTakesPart && direction(b) > kTakesPart)
          tradeoff[static_cast<size_t>(free[a]) * p + free[b]] = 1;
  }
  return lacking;
}

}  // namespace lawfit
