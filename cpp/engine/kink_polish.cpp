#include "kink_polish.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "dense.hpp"

namespace lawfit {

namespace {
constexpr int kMostSteps = 500;
constexpr double kAtZero[] = {1e-3, 1e-5, 1e-8};   // of the mean residual: rows taken to sit on their kink
constexpr double kIndependent = 1e-8;   // relative length left of a row after the rows before it
constexpr int kRefinements = 4;
constexpr double kLongestSecant = 1e4;  // times the step that the slopes were taken over
constexpr double kRoundingOfSum = 1e-12;
constexpr double kLeastGain = 1e-15;    // relative decrease worth another step

// One point: residuals in the residual space, their Jacobian (of the fitted side), gradient pieces.
class KinkDescent {
 public:
  KinkDescent(RowModel& model, const ObjectiveSpec& spec, const std::vector<double>& lower, const std::vector<double>& upper,
              int64_t begin, int64_t count)
      : model_(model), spec_(spec), lower_(lower), upper_(upper), begin_(begin), n_(count), p_(static_cast<int>(lower.size())),
        fitted_(count), slope_(count), majoriser_(count), curvature_(count), jacobian_(count * p_) {}

  Polished run(double gradient_norm, double* parameters) {
    theta_ = Eigen::Map<Vector>(parameters, p_);
    double f = model_.objective(parameters, {begin_, n_});
    for (int step = 0; step < kMostSteps; ++step)
      if (const double before = f; !improve(f) || before - f <= kLeastGain * before) break;
    for (int step = 0; step < kRefinements && refine(f); ++step) {}
    std::copy_n(theta_.data(), p_, parameters);
    return {f, look(f, kAtZero[2]) ? slope_along_kinks() / std::sqrt(2 * f) : gradient_norm};
  }

 private:
  double objective(const Vector& theta) { return model_.objective(theta.data(), {begin_, n_}); }

  // Along the kinks the objective is flat to its rounding long before its slope is: a secant step
  // on the slope finds the last digits.
  bool refine(double& f) {
    if (!look(f, kAtZero[2])) return false;
    const Vector before = theta_, way = along_kinks();
    if (!way.allFinite() || way.norm() == 0) return false;
    Vector natural = Vector::Zero(p_);
    for (size_t k = 0; k < free_.size(); ++k) natural[free_[k]] = way[k] * unit_[k];
    const auto slope = [&] {   // of the objective along the way, as far as it leaves the zero rows at zero
      Vector along(free_.size());
      for (size_t k = 0; k < free_.size(); ++k) along[k] = natural[free_[k]] / unit_[k];
      along -= basis_ * (basis_.transpose() * along);
      return gradient_.dot(along);
    };
    const double first = slope();
    theta_ = onto_kinks(before + natural);
    const bool looked = look(f, kAtZero[2]);
    const double share = looked ? first / (first - slope()) : 0;
    theta_ = before;
    if (!(share > 0 && share < kLongestSecant)) return false;
    Vector to = onto_kinks(before + share * natural);
    for (int k = 0; k < p_; ++k) to[k] = std::clamp(to[k], lower_[k], upper_[k]);
    const double value = objective(to);
    if (!(value <= f * (1 + kRoundingOfSum))) return false;
    theta_ = to;
    f = value;
    return true;
  }

  // Which rows sit on their kink is a guess: a generous one first.
  bool improve(double& f) {
    for (double near : kAtZero)
      if (look(f, near) && search(along_kinks(), f)) return true;
    return look(f, kAtZero[2]) && search(off_a_kink(), f);
  }

  // Rows, free parameters and the independent rows at zero, at the current point.
  bool look(double f, double near) {
    const double mean = f / static_cast<double>(n_);
    model_.rows(theta_.data(), {begin_, n_}, {fitted_.data(), slope_.data(), majoriser_.data(), curvature_.data(), jacobian_.data()}, mean);
    find_free();
    const auto q = static_cast<Eigen::Index>(free_.size());
    if (q == 0 || !(mean > 0)) return false;
    choose_zero_rows(near * mean);
    gradient_ = Vector::Zero(q);
    hessian_ = Matrix::Zero(q, q);
    for (int64_t r = 0; r < n_; ++r) {
      if (std::find(zero_.begin(), zero_.end(), r) != zero_.end()) continue;
      const Vector j = row(r);
      gradient_ += exact_slope(r) * j;
      hessian_.noalias() += majoriser_[r] * j * j.transpose();
    }
    return gradient_.allFinite() && hessian_.allFinite();
  }

  // Those that no row feels, and those at the edge of the law's domain, where slopes are infinite, are
  // held while the others go on.
  void find_free() {
    free_.clear();
    unit_.resize(p_);
    for (int k = 0; k < p_; ++k) {
      if (!(theta_[k] > lower_[k] && theta_[k] < upper_[k])) continue;
      double sum = 0;
      for (int64_t r = 0; r < n_; ++r) sum += majoriser_[r] * square(jacobian_[r * p_ + k]);
      if (!(sum > 0) || !std::isfinite(sum)) continue;
      unit_[static_cast<Eigen::Index>(free_.size())] = 1 / std::sqrt(sum);
      free_.push_back(k);
    }
    unit_.conservativeResize(static_cast<Eigen::Index>(free_.size()));
  }

  static double square(double x) { return x * x; }
  Vector row(int64_t r) const {   // Jacobian of the fitted value, in units that make columns alike
    Vector j(free_.size());
    for (size_t k = 0; k < free_.size(); ++k) j[k] = jacobian_[r * p_ + free_[k]] * unit_[k];
    return j;
  }
  double sigma(int64_t r) const { return model_.table().inverse_sigma.empty() ? 1 : model_.table().inverse_sigma[begin_ + r]; }
  double weight(int64_t r) const { return model_.table().weight.empty() ? 1 : model_.table().weight[begin_ + r]; }
  double residual(int64_t r) const {
    return (model_.table().target[begin_ + r] - space_transform(spec_.space, fitted_[r])) * sigma(r);
  }
  // d residual / d fitted value, without sign.
  double stretch(int64_t r) const {
    const double m = fitted_[r];
    const double dt = spec_.space == Space::log ? 1 / m : spec_.space == Space::logit ? 1 / (m * (1 - m)) : 1;
    return dt * sigma(r);
  }
  double exact_slope(int64_t r) const {
    const double residual_now = residual(r);
    const double psi = spec_.loss == Loss::absolute ? (residual_now > 0 ? 1 : -1) : (residual_now > 0 ? spec_.tail : spec_.tail - 1);
    return -weight(r) * psi * stretch(r);
  }

  void choose_zero_rows(double near) {
    std::vector<int64_t> order(n_);
    std::iota(order.begin(), order.end(), 0);
    const size_t most = std::min<size_t>(n_, free_.size() + 8);
    std::partial_sort(order.begin(), order.begin() + most, order.end(),
                      [&](int64_t a, int64_t b) { return std::fabs(residual(a)) < std::fabs(residual(b)); });
    zero_.clear();
    basis_.resize(static_cast<Eigen::Index>(free_.size()), 0);
    for (size_t i = 0; i < most && zero_.size() < free_.size(); ++i) {
      if (!(std::fabs(residual(order[i])) <= near) || !(weight(order[i]) > 0)) break;
      Vector j = row(order[i]) * stretch(order[i]);
      const double length = j.norm();
      j -= basis_ * (basis_.transpose() * j);
      if (!(j.norm() > kIndependent * length)) continue;
      zero_.push_back(order[i]);
      basis_.conservativeResize(Eigen::NoChange, basis_.cols() + 1);
      basis_.col(basis_.cols() - 1) = j.normalized();
    }
  }

  double slope_along_kinks() const { return (gradient_ - basis_ * (basis_.transpose() * gradient_)).lpNorm<Eigen::Infinity>(); }

  // Newton-like step for the rest that leaves the zero rows at zero.
  Vector along_kinks() const { return newton_off(basis_, hessian_, gradient_); }

  // Where a zero row's multiplier exceeds its weight the objective falls on one side of its kink.
  Vector off_a_kink() const {
    const Eigen::Index q = gradient_.size();
    if (zero_.empty()) return Vector::Zero(q);
    Matrix a(q, static_cast<Eigen::Index>(zero_.size()));
    for (size_t i = 0; i < zero_.size(); ++i) a.col(i) = row(zero_[i]) * stretch(zero_[i]);
    const Vector multiplier = least_squares(a, gradient_);   // psi that each zero row would need
    double worst = 1e-9;
    Eigen::Index leave = -1;
    double side = 0;
    for (Eigen::Index i = 0; i < multiplier.size(); ++i) {
      const double w = weight(zero_[i]), upper = spec_.loss == Loss::absolute ? w : spec_.tail * w,
                   lower = spec_.loss == Loss::absolute ? -w : (spec_.tail - 1) * w;
      const double excess = std::max(multiplier[i] - upper, lower - multiplier[i]) / w;
      if (excess > worst) { worst = excess; leave = i; side = multiplier[i] > upper ? 1 : -1; }
    }
    if (leave < 0) return Vector::Zero(q);
    Vector target = Vector::Zero(a.cols());
    target[leave] = -side;   // the fitted side falls, so the residual rises, or the reverse
    const Vector d = least_squares(a.transpose(), target);
    const double curvature = d.dot(hessian_ * d);
    return curvature > 0 ? Vector(d * (worst * weight(zero_[leave]) / curvature)) : d;
  }

  Vector restored(const Vector& step) {   // back onto the kinks after a step along them
    Vector to = theta_;
    for (size_t k = 0; k < free_.size(); ++k) to[free_[k]] = std::clamp(theta_[free_[k]] + step[k] * unit_[k], lower_[free_[k]], upper_[free_[k]]);
    return to;
  }

  // Doubling, then halving; every trial is also tried with the zero rows put back on their kinks.
  bool search(const Vector& direction, double& f) {
    if (!direction.allFinite()) return false;
    double t = 1;
    bool moved = false;
    for (int trial = 0; trial < 40; ++trial) {
      Vector best = restored(direction * t);
      double value = objective(best);
      const Vector back = onto_kinks(best);
      if (const double again = objective(back); again < value || !(value == value)) { value = again; best = back; }
      if (value < f) {
        f = value;
        theta_found_ = best;
        moved = true;
        t *= 2;
      } else if (moved) {
        break;
      } else {
        t *= 0.35;
      }
    }
    if (moved) theta_ = theta_found_;
    return moved;
  }

  Vector onto_kinks(Vector theta) {
    if (zero_.empty()) return theta;
    Matrix a(static_cast<Eigen::Index>(zero_.size()), static_cast<Eigen::Index>(free_.size()));
    for (size_t i = 0; i < zero_.size(); ++i) a.row(i) = (row(zero_[i]) * stretch(zero_[i])).transpose();
    std::vector<double> values(n_);
    for (int round = 0; round < 3; ++round) {
      model_.rows(theta.data(), {begin_, n_}, {values.data(), nullptr, nullptr, nullptr, nullptr});
      Vector r(a.rows());
      for (size_t i = 0; i < zero_.size(); ++i)
        r[i] = (model_.table().target[begin_ + zero_[i]] - space_transform(spec_.space, values[zero_[i]])) * sigma(zero_[i]);
      if (!r.allFinite()) break;
      const Vector step = least_squares(a, r);
      for (size_t k = 0; k < free_.size(); ++k)
        theta[free_[k]] = std::clamp(theta[free_[k]] + step[k] * unit_[k], lower_[free_[k]], upper_[free_[k]]);
    }
    return theta;
  }

  RowModel& model_;
  const ObjectiveSpec& spec_;
  const std::vector<double>&lower_, &upper_;
  const int64_t begin_, n_;
  const int p_;
  std::vector<double> fitted_, slope_, majoriser_, curvature_, jacobian_;
  Vector theta_, theta_found_, unit_, gradient_;
  Matrix hessian_, basis_;
  std::vector<int> free_;
  std::vector<int64_t> zero_;
};

}  // namespace

Polished polish_kinks(RowModel& model, const ObjectiveSpec& spec, const std::vector<double>& lower, const std::vector<double>& upper,
                      int64_t begin, int64_t count, double gradient_norm, double* parameters) {
  return KinkDescent(model, spec, lower, upper, begin, count).run(gradient_norm, parameters);
}

}  // namespace lawfit
