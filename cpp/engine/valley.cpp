#include "valley.hpp"

#include <algorithm>
#include <cmath>
#include <utility>

#include "dense.hpp"
#include "solver_constants.hpp"

namespace lawfit {

namespace {
constexpr int kMostLooks = 600;          // at the rows, unless the caller wants fewer
constexpr int64_t kMostWork = 30'000'000;   // looks x rows
constexpr int kFewestLooks = 20;         // that are worth a beginning
constexpr int kStride = 4, kLanding = 10;   // steps between two leaps, and after one before it is judged
constexpr int kReweighed = 2;            // solves for the linear parameters of one trial, where one is not exact
constexpr double kSeen = 0.02;           // of the most that rounding can be worth; it mostly is far less, and only lower points are gone to
constexpr double kFirstDamping = 1e-6, kLeastDamping = 1e-12, kMostDamping = 1e8;
constexpr double kWorthIt = 1e-8;        // relative decrease that a step must promise, and several bring
constexpr double kLargest = 1e290;       // parameters beyond which nothing more is to be learnt from the valley
constexpr double kDeficient = 1e-12;     // relative length of a column from which nothing tells it from the others

// Gauss-Newton by orthogonal factors: the linear parameters follow the nonlinear ones, which alone are damped.
class ValleyDescent {
 public:
  ValleyDescent(RowModel& model, const Problem& problem, const RowView& range, int most_looks)
      : model_(model), problem_(problem), range_(range), n_(range.count), p_(problem.parameters()),
        rounds_(problem.loss == Loss::squared && (problem.space == Space::linear || problem.space == Space::relative) ? 1 : kReweighed),
        most_looks_(static_cast<int>(std::min<int64_t>({most_looks, kMostLooks, kMostWork / n_}))),
        model_values_(n_), slope_(n_), majoriser_(n_), jacobian_(n_ * p_) {}

  ValleyEnd run(double objective, double* parameters, const std::function<bool()>& stop) {
    stop_ = &stop;
    Point at{Eigen::Map<Vector>(parameters, p_), objective, kFirstDamping};
    bool arrived = descend(at);
    while (arrived && go_on_without_one(at)) arrived = descend(at);
    if (!worth_it(objective - at.objective, at)) return {objective, not_a_number, 0, arrived};
    std::copy_n(at.theta.data(), p_, parameters);
    look(at.theta);
    return {at.objective, cosine(at.objective), looks_, arrived && !stop()};
  }

 private:
  struct Step { bool found; double gain; Vector change; };
  struct Point { Vector theta; double objective, damping, rounding = 0; };

  // Walks and leaps. Returns whether nothing lower is left, or seen.
  bool descend(Point& at) {
    double reach = kFirstLeap;
    bool first = true;
    while (looks_ < most_looks_ && !(*stop_)()) {
      const Vector milestone = at.theta;
      const double before = at.objective;
      if (walk(at, kStride) || !worth_it(before - at.objective, at)) return true;
      if (std::exchange(first, false)) continue;
      Point ahead{leap(milestone, at.theta, reach), infinity, at.damping};
      if (settle_linear(ahead.theta)) ahead.objective = model_.objective(ahead.theta.data(), range_);
      if (std::isfinite(ahead.objective)) walk(ahead, kLanding);
      const bool lower = worth_it(at.objective - ahead.objective, ahead);
      reach = lower ? std::min(2 * reach, kLongestLeap) : std::max(kShorterLeap * reach, 1.0);
      if (lower) at = std::move(ahead);
    }
    return false;
  }

  // Where one parameter goes to where numbers cannot tell columns apart, the damping that stops it holds
  // the others back, too. Returns whether they go on while one of them, whichever it is, stands still.
  bool go_on_without_one(Point& at) {
    Point lowest = at;
    for (int k = 0; k < p_; ++k) {
      if (problem_.linear[k]) continue;
      Point side{at.theta, at.objective, kFirstDamping};
      held_ = k;
      walk(side, kLanding);
      if (side.objective < lowest.objective) lowest = std::move(side);
    }
    held_ = -1;
    lowest.damping = kFirstDamping;
    return worth_it(std::exchange(at, lowest).objective - lowest.objective, lowest);
  }

  static bool worth_it(double gain, const Point& at) { return gain > kWorthIt * at.objective && gain > kSeen * at.rounding; }

  // What the last digits of parameters that cancel are worth in the objective.
  double rounding(const Vector& theta) const {
    double sum = 0;
    for (int64_t r = 0; r < n_; ++r)
      for (int k : free_) sum += std::fabs(slope_[r] * jacobian_[r * p_ + k] * theta[k]);
    return kRounding * sum;
  }

  // Up to so many steps down. Returns whether there are no more that are worth it.
  bool walk(Point& at, int steps) {
    for (int made = 0; made < steps && looks_ < most_looks_ && !(*stop_)() && look(at.theta);) {
      const Step step = propose(at.damping);
      at.rounding = rounding(at.theta);
      if (!step.found || !worth_it(step.gain, at) || at.damping > kMostDamping) return true;
      Vector to = at.theta + step.change;
      clamp(to);
      const double value = settle_linear(to) ? model_.objective(to.data(), range_) : infinity;
      if (!(value < at.objective)) {
        at.damping = std::max(4 * at.damping, kFirstDamping);
        continue;
      }
      if (at.objective - value > 0.25 * step.gain) at.damping = std::max(at.damping / 8, kLeastDamping);
      at.theta = to;
      at.objective = value;
      ++made;
    }
    return false;
  }

  // On by `reach` times what lies between two points; valleys of powers are straight in logarithms.
  Vector leap(const Vector& from, const Vector& to, double reach) const {
    Vector beyond = to;
    for (int k = 0; k < p_; ++k) {
      if (problem_.linear[k]) continue;
      const bool multiplies = problem_.multiplies(k) && to[k] / from[k] > 0;
      beyond[k] = multiplies ? to[k] * std::pow(to[k] / from[k], reach) : to[k] + reach * (to[k] - from[k]);
    }
    clamp(beyond);
    return beyond;
  }

  void clamp(Vector& theta) const {
    for (int k = 0; k < p_; ++k) theta[k] = std::clamp(theta[k], problem_.lower[k], problem_.upper[k]);
  }
  // By its bound, or by the edge of the law's domain, where its slope has no end.
  bool held(int k, const Vector& theta) const {
    if (k == held_ || problem_.lower[k] == problem_.upper[k]) return true;
    for (int64_t r = 0; r < n_; ++r) if (!std::isfinite(jacobian_[r * p_ + k])) return true;
    if (theta[k] > problem_.lower[k] && theta[k] < problem_.upper[k]) return false;
    double slope = 0;
    for (int64_t r = 0; r < n_; ++r) slope += slope_[r] * jacobian_[r * p_ + k];
    return theta[k] <= problem_.lower[k] ? slope >= 0 : slope <= 0;
  }

  // Rows at a point, and its columns: linear parameters first, each of unit length.
  bool look(const Vector& theta) {
    ++looks_;
    model_.rows(theta.data(), range_, {model_values_.data(), slope_.data(), majoriser_.data(), nullptr, jacobian_.data()});
    free_.clear();
    for (bool linear : {true, false}) {
      for (int k = 0; k < p_; ++k) if ((problem_.linear[k] != 0) == linear && !held(k, theta)) free_.push_back(k);
      if (linear) linear_ = static_cast<Eigen::Index>(free_.size());
    }
    const auto q = static_cast<Eigen::Index>(free_.size());
    columns_.resize(n_, q);
    residual_.resize(n_);
    for (int64_t r = 0; r < n_; ++r) {
      const double root = std::sqrt(std::max(majoriser_[r], 0.0));
      residual_[r] = root > 0 ? -slope_[r] / root : 0;
      for (Eigen::Index k = 0; k < q; ++k) columns_(r, k) = root > 0 ? root * jacobian_[r * p_ + free_[k]] : 0;
    }
    unit_.resize(q);
    for (Eigen::Index k = 0; k < q; ++k) {
      const double norm = columns_.col(k).stableNorm();
      unit_[k] = norm > 0 ? 1 / norm : 0;
      columns_.col(k) *= unit_[k];
    }
    return q > 0 && q <= n_ && columns_.allFinite() && residual_.allFinite();
  }

  Step propose(double damping) const {
    const Eigen::Index q = columns_.cols(), m = q - linear_;
    const Triangle t = triangle(columns_, residual_);
    Step step{false, 0, Vector::Zero(p_)};
    for (Eigen::Index k = 0; k < linear_; ++k) if (!(std::fabs(t.r(k, k)) > kDeficient)) return step;
    Vector z = Vector::Zero(q);
    double gain = 0.5 * t.right.head(linear_).squaredNorm();
    if (m > 0) {
      Matrix damped = Matrix::Zero(2 * m, m);
      Vector right = Vector::Zero(2 * m);
      damped.topRows(m) = t.r.bottomRightCorner(m, m).triangularView<Eigen::Upper>();
      right.head(m) = t.right.segment(linear_, m);
      for (Eigen::Index k = 0; k < m; ++k) damped(m + k, k) = std::sqrt(damping) * std::max(damped.col(k).head(m).norm(), kDeficient);
      z.tail(m) = least_squares(damped, right);
      gain += 0.5 * (right.head(m).squaredNorm() - (right.head(m) - damped.topRows(m) * z.tail(m)).squaredNorm());
    }
    if (linear_ > 0) z.head(linear_) = back_substitute(t.r, linear_, t.right.head(linear_) - t.r.topRightCorner(linear_, m) * z.tail(m));
    for (Eigen::Index k = 0; k < q; ++k) step.change[free_[k]] = z[k] * unit_[k];
    step.gain = gain;
    step.found = step.change.allFinite();
    return step;
  }

  // The linear parameters that fit best beside the nonlinear ones of a trial.
  bool settle_linear(Vector& theta) {
    for (int round = 0; round < rounds_; ++round) {
      if (!look(theta)) return false;
      if (linear_ == 0) return true;
      const Triangle t = triangle(columns_.leftCols(linear_), residual_);
      for (Eigen::Index k = 0; k < linear_; ++k) if (!(std::fabs(t.r(k, k)) > kDeficient)) return false;
      const Vector z = back_substitute(t.r, linear_, t.right.head(linear_));
      for (Eigen::Index k = 0; k < linear_; ++k) theta[free_[k]] += z[k] * unit_[k];
      clamp(theta);
    }
    return theta.cwiseAbs().maxCoeff() < kLargest;
  }

  double cosine(double f) const {
    double energy = 0;
    for (int64_t r = 0; r < n_; ++r) energy += majoriser_[r] * model_values_[r] * model_values_[r];
    double largest = 0;
    for (Eigen::Index k = 0; k < columns_.cols(); ++k) largest = std::max(largest, std::fabs(columns_.col(k).dot(residual_)));
    return largest / std::sqrt(2 * f + kPerfect * kPerfect * energy);
  }

  RowModel& model_;
  const Problem& problem_;
  const RowView& range_;
  const int64_t n_;
  const int p_, rounds_, most_looks_;
  std::vector<double> model_values_, slope_, majoriser_, jacobian_;
  Vector theta_, residual_, unit_;
  Matrix columns_;
  std::vector<int> free_;
  Eigen::Index linear_ = 0;     // of the free parameters
  int held_ = -1;               // for the time being
  int32_t looks_ = 0;
  const std::function<bool()>* stop_ = nullptr;
};
}  // namespace

ValleyEnd follow_valley(RowModel& model, const Problem& problem, const RowView& range, double objective, double* parameters,
                        int most_looks, const std::function<bool()>& stop) {
  if (range.count > kMostWork / kFewestLooks) return {objective, not_a_number, 0, false};
  return ValleyDescent(model, problem, range, most_looks).run(objective, parameters, stop);
}

}  // namespace lawfit
