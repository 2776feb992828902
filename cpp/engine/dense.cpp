#include "dense.hpp"

#include <Eigen/Dense>

namespace lawfit {

SingularValues singular_values(const Matrix& a) {
  const Matrix triangle = Eigen::HouseholderQR<Matrix>(a).matrixQR().topRows(a.cols()).triangularView<Eigen::Upper>();
  const Eigen::JacobiSVD<Matrix> svd(triangle, Eigen::ComputeFullV);
  return {svd.singularValues(), svd.matrixV()};
}

Matrix column_space(const Matrix& a, double tolerance) {
  const Eigen::JacobiSVD<Matrix, Eigen::HouseholderQRPreconditioner> svd(a, Eigen::ComputeThinU);
  const Vector& values = svd.singularValues();
  Eigen::Index rank = 0;
  while (rank < values.size() && values(rank) > tolerance * values(0)) ++rank;
  return svd.matrixU().leftCols(rank);
}

Projection project(const Matrix& a, const Matrix& b, double tolerance) {
  constexpr double kTakesPart = 0.05;   // share of an absent direction that names a column
  const Eigen::Index q = a.cols();
  Projection out{Matrix::Zero(q, q), Matrix::Zero(q, b.cols()), b, std::vector<char>(q, 0), 0};
  if (q == 0 || a.rows() == 0) {
    out.lost.assign(q, 1);
    return out;
  }
  Matrix tall = Matrix::Zero(std::max(a.rows(), q), q), right = Matrix::Zero(tall.rows(), b.cols());
  tall.topRows(a.rows()) = a;
  right.topRows(a.rows()) = b;
  const Eigen::JacobiSVD<Matrix, Eigen::HouseholderQRPreconditioner> svd(tall, Eigen::ComputeThinU | Eigen::ComputeThinV);
  const Vector& values = svd.singularValues();
  for (Eigen::Index s = 0; s < q; ++s) {
    const Vector v = svd.matrixV().col(s);
    if (!(values(s) > tolerance * values(0))) {
      for (Eigen::Index k = 0; k < q; ++k) if (std::fabs(v(k)) > kTakesPart) out.lost[k] = 1;
      continue;
    }
    const Vector u = svd.matrixU().col(s);
    const Vector share = right.transpose() * u;
    out.inverse.noalias() += v * v.transpose() / (values(s) * values(s));
    out.solution.noalias() += v * share.transpose() / values(s);
    right.noalias() -= u * share.transpose();
    ++out.rank;
  }
  out.remainder = right.topRows(a.rows());
  return out;
}

Eigenvalues eigenvalues(const Matrix& symmetric) {
  const Eigen::SelfAdjointEigenSolver<Matrix> solver(symmetric);
  return {solver.info() == Eigen::Success, solver.eigenvalues(), solver.eigenvectors()};
}

Vector least_squares(const Matrix& a, const Vector& b) { return Eigen::CompleteOrthogonalDecomposition<Matrix>(a).solve(b); }

Triangle triangle(const Matrix& a, const Vector& b) {
  const Eigen::HouseholderQR<Matrix> qr(a);
  const Eigen::Index q = a.cols();
  return {Matrix(qr.matrixQR().topRows(q).triangularView<Eigen::Upper>()), Vector((qr.householderQ().transpose() * b).head(q))};
}

Vector back_substitute(const Matrix& r, Eigen::Index size, Vector right) {
  r.topLeftCorner(size, size).triangularView<Eigen::Upper>().solveInPlace(right);
  return right;
}

Vector newton_off(const Matrix& basis, const Matrix& hessian, const Vector& gradient) {
  const Eigen::Index q = gradient.size(), m = basis.cols();
  if (m == q) return Vector::Zero(q);
  Matrix null = Matrix::Identity(q, q);
  if (m > 0) null = (Eigen::HouseholderQR<Matrix>(basis).householderQ() * Matrix::Identity(q, q)).rightCols(q - m);
  Matrix h = null.transpose() * hessian * null;
  h.diagonal().array() += 1e-12 * h.diagonal().maxCoeff();
  return -null * h.ldlt().solve(null.transpose() * gradient);
}

Matrix sandwich(const Matrix& bread, const Matrix& meat) { return bread * meat * bread; }

}  // namespace lawfit
