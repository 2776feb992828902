// Factorisations of single dense matrices, in one place: they are what takes long to compile.
#pragma once
#include <Eigen/Core>
#include <vector>

namespace lawfit {

using Matrix = Eigen::MatrixXd;
using Vector = Eigen::VectorXd;

struct SingularValues {
  Vector values;        // largest first
  Matrix directions;    // of the columns, one a value
};
// Of a matrix with no more columns than rows, through its triangle.
SingularValues singular_values(const Matrix& a);
// Columns: left singular vectors of `a` whose value is more than `tolerance` of the largest.
Matrix column_space(const Matrix& a, double tolerance);

// What the columns of `a` (of unit length) explain of those of b. Directions of `a` below `tolerance`
// of the largest count as absent.
struct Projection {
  Matrix inverse;             // (a'a)^+
  Matrix solution;            // a^+ b
  Matrix remainder;           // b - a a^+ b
  std::vector<char> lost;     // columns of `a` that take part in a direction that is absent
  int rank;
};
Projection project(const Matrix& a, const Matrix& b, double tolerance);

struct Eigenvalues {
  bool found;
  Vector values;        // smallest first
  Matrix directions;
};
Eigenvalues eigenvalues(const Matrix& symmetric);

// The x of least length among those for which a x is closest to b.
Vector least_squares(const Matrix& a, const Vector& b);
// The triangle of a = qr, and q'b.
struct Triangle {
  Matrix r;
  Vector right;
};
Triangle triangle(const Matrix& a, const Vector& b);
Vector back_substitute(const Matrix& r, Eigen::Index size, Vector right);   // of the upper left part of r
// The minimum of g'x + x'Hx/2 over x orthogonal to the columns of an orthonormal basis.
Vector newton_off(const Matrix& basis, const Matrix& hessian, const Vector& gradient);
// bread meat bread
Matrix sandwich(const Matrix& bread, const Matrix& meat);

}  // namespace lawfit
