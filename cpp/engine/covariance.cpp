#include "covariance.hpp"

#include <Eigen/Dense>
#include <cmath>
#include <vector>

namespace lawfit {

namespace {
using Matrix = Eigen::Matrix<double, Eigen::Dynamic, Eigen::Dynamic>;
using Vector = Eigen::VectorXd;

constexpr double kRankTolerance = 1e-11;    // smallest over largest singular value of the scaled Jacobian
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
    source.rows(parameters, begin, count, nullptr, {model.data(), slope.data(), majoriser.data(), curvature.data(), jacobian.data()});
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

// (J'J)^-1 from the triangle of J's QR, with columns scaled to unit length first.
bool gram_inverse(Matrix j, Matrix& out) {
  const Vector scale = j.colwise().norm();
  if (!(scale.minCoeff() > 0) || !scale.allFinite()) return false;
  for (Eigen::Index k = 0; k < j.cols(); ++k) j.col(k) /= scale(k);
  Eigen::HouseholderQR<Matrix> qr(j);
  const Matrix r = qr.matrixQR().topRows(j.cols()).template triangularView<Eigen::Upper>();
  if (!(r.diagonal().cwiseAbs().minCoeff() > 1e-14)) return false;
  const Matrix inverse = r.triangularView<Eigen::Upper>().solve(Matrix::Identity(j.cols(), j.cols()));
  out = inverse * inverse.transpose();
  for (Eigen::Index i = 0; i < out.rows(); ++i)
    for (Eigen::Index k = 0; k < out.cols(); ++k) out(i, k) /= scale(i) * scale(k);
  return true;
}

// Inverse of a symmetric positive definite matrix, scaled to unit diagonal first.
bool definite_inverse(Matrix h, Matrix& out) {
  const Vector diagonal = h.diagonal();
  if (!(diagonal.minCoeff() > 0) || !h.allFinite()) return false;
  const Vector scale = diagonal.cwiseSqrt().cwiseInverse();
  h = scale.asDiagonal() * h * scale.asDiagonal();
  Eigen::LLT<Matrix> llt(h);
  if (llt.info() != Eigen::Success || !(llt.matrixLLT().diagonal().minCoeff() > 1e-8)) return false;
  out = scale.asDiagonal() * llt.solve(Matrix::Identity(h.rows(), h.cols())) * scale.asDiagonal();
  return true;
}
}  // namespace

void covariance(RowModel& model, const double* parameters, const int8_t* active, int64_t count, CovarianceKind kind,
                bool absolute, double* out, int p) {
  std::fill(out, out + static_cast<size_t>(p) * p, not_a_number);
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
  for (Eigen::Index i = 0; i < q; ++i)
    for (Eigen::Index k = 0; k < q; ++k) out[static_cast<size_t>(free[i]) * p + free[k]] = result(i, k);
}

bool find_tradeoffs(RowModel& model, const double* parameters, const int8_t* active, int p, int64_t begin, int64_t count,
                    uint8_t* tradeoff) {
  const std::vector<int> free = off_bounds(active, p);
  if (free.empty()) return false;
  const RowTable rows(model, parameters, p, begin, count);
  Matrix j = scaled_jacobian(rows, free, p);
  bool lacking = false;
  if (!j.allFinite()) return false;
  for (Eigen::Index k = 0; k < j.cols(); ++k) {
    const double norm = j.col(k).norm();
    if (norm > 0) { j.col(k) /= norm; continue; }
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
