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

Eigenvalues eigenvalues(const Matrix& symmetric) {
  const Eigen::SelfAdjointEigenSolver<Matrix> solver(symmetric);
  return {solver.info() == Eigen::Success, solver.eigenvalues(), solver.eigenvectors()};
}

Vector least_squares(const Matrix& a, const Vector& b) { return Eigen::CompleteOrthogonalDecomposition<Matrix>(a).solve(b); }

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
