#include "covariance.hpp"

#include <Eigen/Dense>
#include <cmath>
#include <vector>

namespace lawfit {

namespace {
using Matrix = Eigen::Matrix<double, Eigen::Dynamic, Eigen::Dynamic>;
using Vector = Eigen::VectorXd;

constexpr double kRankTolerance = 1e-11;    // smallest over largest singular value of the scaled Jacobian
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

struct RowTable {
  std::vector<double> model, slope, majoriser, curvature, jacobian;
  RowTable(RowModel& source, const double* parameters, int p, int64_t begin, int64_t count)
      : model(count), slope(count), majoriser(count), curvature(count), jacobian(count * p) {
    const double spread = source.objective(parameters, begin, count, nullptr) / static_cast<double>(std::max<int64_t>(count, 1));
    source.rows(parameters, begin, count, nullptr, {model.data(), slope.data(), majoriser.data(), curvature.data(), jacobian.data()}, spread);
  }
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
  Vector scale = j.colwise().norm();
  for (Eigen::Index k = 0; k < j.cols(); ++k) {
    if (!(scale(k) > 0)) scale(k) = 1;
    j.col(k) /= scale(k);
  }
  const Matrix r = Eigen::HouseholderQR<Matrix>(j).matrixQR().topRows(j.cols()).template triangularView<Eigen::Upper>();
  const Eigen::JacobiSVD<Matrix> svd(r, Eigen::ComputeFullV);
  const Vector values = svd.singularValues();
  out = inverse_of(svd.matrixV(), values.cwiseAbs2(), std::pow(kRankTolerance * values(0), 2), scale);
  return true;
}

// Inverse of a symmetric matrix, scaled to unit diagonal first; false unless it is a minimum's.
bool definite_inverse(Matrix h, Matrix& out) {
  if (!h.allFinite() || !(h.diagonal().minCoeff() > 0)) return false;
  const Vector scale = h.diagonal().cwiseSqrt(), inverse = scale.cwiseInverse();
  h = inverse.asDiagonal() * h * inverse.asDiagonal();
  const Eigen::SelfAdjointEigenSolver<Matrix> solver(h);
  if (solver.info() != Eigen::Success || solver.eigenvalues()(0) < -kHessianTolerance) return false;
  out = inverse_of(solver.eigenvectors(), solver.eigenvalues(), kHessianTolerance, scale);
  return true;
}
}  // namespace

void covariance(RowModel& model, const double* parameters, const int8_t* active, int64_t count, CovarianceKind kind,
                bool absolute, double* out, int p) {
  std::fill(out, out + static_cast<size_t>(p) * p, not_a_number);
  if (has_kink(model.loss()) && kind != CovarianceKind::jacobian) return;   // no curvature to invert
  const std::vector<int> free = off_bounds(active, p);
  const auto q = static_cast<Eigen::Index>(free.size());
  const RowTable rows(model, parameters, p, 0, count);
  int64_t used = 0;
  double spread = 0;
  for (int64_t r = 0; r < count; ++r) {
    if (!(rows.majoriser[r] > 0)) continue;
    ++used;
    spread += rows.slope[r] * rows.slope[r] / rows.majoriser[r];
  }
  if (q == 0 || used <= q) return;
  const double freedom = static_cast<double>(used - q);
  Matrix result;
  if (kind == CovarianceKind::jacobian) {
    if (!gram_inverse(scaled_jacobian(rows, free, p), result)) return;
    if (!absolute) result *= spread / freedom;
  } else {
    std::vector<double> full(static_cast<size_t>(p) * p);
    model.hessian(parameters, 0, count, nullptr, full.data());
    Matrix h(q, q), inverse;
    for (Eigen::Index i = 0; i < q; ++i)
      for (Eigen::Index k = 0; k < q; ++k) h(i, k) = full[static_cast<size_t>(free[i]) * p + free[k]];
    if (!definite_inverse(h, inverse)) return;
    if (kind == CovarianceKind::hessian) {
      result = absolute ? inverse : Matrix(inverse * (spread / freedom));
    } else {
      Matrix meat = Matrix::Zero(q, q);
      Vector gradient(q);
      for (int64_t r = 0; r < count; ++r) {
        if (rows.slope[r] == 0) continue;
        for (Eigen::Index k = 0; k < q; ++k) gradient(k) = rows.slope[r] * rows.jacobian[r * p + free[k]];
        meat.noalias() += gradient * gradient.transpose();
      }
      result = inverse * meat * inverse * (static_cast<double>(used) / freedom);
    }
  }
  // A variance that rounding made negative says that the matrix holds no digits for its parameter.
  for (Eigen::Index i = 0; i < q; ++i)
    for (Eigen::Index k = 0; k < q; ++k)
      out[static_cast<size_t>(free[i]) * p + free[k]] = result(i, i) >= 0 && result(k, k) >= 0 ? result(i, k) : not_a_number;
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

// Do the fitted values not feel a relative change of parameter k? A linear parameter near zero is
// simply small; so is any other whose being zero would change nothing, unless its natural size is one.
bool idle(RowModel& model, const Problem& problem, const double* parameters, int k, double norm, double felt, int64_t begin, int64_t count) {
  if (problem.linear[k] || parameters[k] == 0) return false;
  if (norm * std::max(std::fabs(parameters[k]), problem.typical[k]) > kNotFelt * felt) return false;
  if (problem.typical[k] > 0) return true;
  std::vector<double> without(parameters, parameters + problem.parameters());
  without[k] = 0;
  const double with = model.objective(parameters, begin, count, nullptr), zeroed = model.objective(without.data(), begin, count, nullptr);
  return !(zeroed <= with * (1 + 1e-6) + kPerfectFit * felt * felt);
}
}  // namespace

bool find_tradeoffs(RowModel& model, const Problem& problem, const double* parameters, const int8_t* active, int64_t begin, int64_t count,
                    uint8_t* tradeoff) {
  const int p = problem.parameters();
  const RowTable rows(model, parameters, p, begin, count);
  const std::vector<int> free = unpressed(rows, active, p);
  if (free.empty()) return false;
  double felt = 0;
  for (size_t r = 0; r < rows.model.size(); ++r) if (rows.majoriser[r] > 0) felt += rows.majoriser[r] * rows.model[r] * rows.model[r];
  felt = std::sqrt(felt);
  Matrix j = scaled_jacobian(rows, free, p);
  bool lacking = false;
  if (!j.allFinite()) return false;
  for (Eigen::Index k = 0; k < j.cols(); ++k) {
    const double norm = j.col(k).norm();
    if (norm > 0) j.col(k) /= norm;
    if (norm > 0 && !idle(model, problem, parameters, free[k], norm, felt, begin, count)) continue;
    lacking = true;   // a parameter without any influence trades off with itself
    tradeoff[static_cast<size_t>(free[k]) * p + free[k]] = 1;
  }
  if (j.rows() < j.cols()) return lacking;
  const Matrix r = Eigen::HouseholderQR<Matrix>(j).matrixQR().topRows(j.cols()).template triangularView<Eigen::Upper>();
  Eigen::JacobiSVD<Matrix> svd(r, Eigen::ComputeFullV);
  const Vector& values = svd.singularValues();
  for (Eigen::Index s = 0; s < values.size(); ++s) {
    if (values(s) > kRankTolerance * values(0)) continue;
    lacking = true;
    const Vector direction = svd.matrixV().col(s).cwiseAbs();
    for (Eigen::Index a = 0; a < direction.size(); ++a)
      for (Eigen::Index b = 0; b < direction.size(); ++b)
        if (a != b && direction(a) > kTakesPart && direction(b) > kTakesPart)
          tradeoff[static_cast<size_t>(free[a]) * p + free[b]] = 1;
  }
  return lacking;
}

}  // namespace lawfit
