// The linear parameters of nodes, given the nonlinear ones: least squares, and as the loss has them.
#include <algorithm>
#include <cmath>

#include "least_squares.hpp"
#include "random.hpp"
#include "starts.hpp"

namespace lawfit {

namespace {
constexpr int kReweighed = 4;                // reweighted least squares of a start's linear parameters
}  // namespace

// Linear coefficients of every lane from its normal matrix, and its gradient at those in theta_.
void StartMaker::solve_linear(int lane, bool nonnegative, double share) {
  const int n = static_cast<int>(linear_parameters_.size());
  double *x = solution_.data(), *low = x + n, *high = low + n;
  bool inside = true, finite = true;
  for (int i = 0; i < n; ++i) {
    const int a = linear_parameters_[i];
    right_[i] = -sums_.gradient[a][lane];
    for (int j = 0; j < n; ++j) {
      const int b = linear_parameters_[j];
      gram_[i * n + j] = sums_.majorised[std::max(a, b) * (std::max(a, b) + 1) / 2 + std::min(a, b)][lane];
      finite &= std::isfinite(gram_[i * n + j]);
    }
    for (int j = 0; j < n; ++j) right_[i] += gram_[i * n + j] * theta_[linear_parameters_[j]][lane];
    finite &= std::isfinite(right_[i]);
    low[i] = nonnegative ? std::max(plan_.lower[a], 0.0) : plan_.lower[a];
    high[i] = std::max(plan_.upper[a], low[i]);
  }
  if (!finite) return;
  const bool solved = plain_least_squares(n, gram_.data(), right_.data(), work_.data(), x);
  for (int i = 0; i < n; ++i) inside &= x[i] >= low[i] && x[i] <= high[i];
  if (!solved || !inside) {
    for (int i = 0; i < n; ++i) gram_[i * n + i] *= 1 + share;
    bounded_least_squares(n, gram_.data(), right_.data(), low, high, x);
  }
  for (int i = 0; i < n; ++i) {
    // A coefficient of exactly zero could never come back in the far phase's log metric.
    const double diagonal = gram_[i * n + i];
    if (x[i] == 0 && diagonal > 0) x[i] = std::clamp(1e-3 * std::sqrt(sums_.value[0][lane] / diagonal), low[i], high[i]);
    theta_[linear_parameters_[i]][lane] = x[i];
  }
}

// Most nodes see only a random part of the rows: half of them, or just enough for the linear
// parameters, which has the best chance to hold no outlier. Every second start comes from a wide scale,
// which forgets where it was: the parts are dealt out to the others, too.
void StartMaker::draw_subsets(const TableData& table, int64_t begin, int64_t count, uint64_t seed, int first) {
  subset_.resize(count);
  for (int lane = 0; lane < linear_.lanes(); ++lane) {
    const int node = first + lane;
    const int deal = (node / 2) % 4;
    if (deal == 0) {
      linear_.load_lane(lane, table, begin, count, nullptr, means_.data());
      continue;
    }
    const Philox stream(seed, 0x5B5E7u + static_cast<uint64_t>(node));
    const size_t linear = linear_parameters_.size();
    const double few = static_cast<double>(linear) + (linear == 1 && node / 8 % 2 == 1 ? 0.5 : 2);   // one row may decide one amplitude
    const double limit = (deal == 2 ? 0.5 : few / static_cast<double>(count)) * 4294967296.0;
    for (int64_t from = 0; from < count; from += W) {
      const U words = stream.first_words(static_cast<uint64_t>(from));
      for (int64_t r = from; r < std::min(from + W, count); ++r)
        subset_[r] = words[r - from] < limit ? (table.weight.empty() ? 1.0 : table.weight[begin + r]) : 0.0;
    }
    linear_.load_drawn(lane, table, begin, count, subset_.data(), means_.data());
  }
}

// Linear parameters of every lane from the nonlinear ones in theta_.
void StartMaker::solve_lanes(bool nonnegative, double share) {
  for (int k : linear_parameters_) theta_[k] = V{};
  linear_.evaluate(Tier::linear, theta_, LossShape::of(broadcast(1.0), broadcast(0.5)), sums_);
  for (int lane = 0; lane < W; ++lane) solve_linear(lane, nonnegative, share);
}

// Least squares follow outliers, which the loss itself weighs less: the linear parameters of every
// lane as its own reweighted least squares have them.
void StartMaker::reweigh_lanes() {
  const V before = objectives();
  V f = before;
  for (int i : linear_parameters_) unweighed_[i] = theta_[i];
  for (int round = 0; round < kReweighed; ++round) {
    const V scale = has_kink(plan_.loss) ? broadcast(0.1) * f / broadcast(real_.weight_total(0)) : broadcast(scale_);
    real_.evaluate(Tier::linear, theta_, LossShape::of(scale, broadcast(tail_)), sums_);
    for (int lane = 0; lane < W; ++lane) solve_linear(lane, false, 0);
    f = objectives();
  }
  const L worse = ~(f < before);
  for (int i : linear_parameters_) theta_[i] = select(worse, unweighed_[i], theta_[i]);
}

V StartMaker::objectives() {
  real_.evaluate(Tier::value, theta_, LossShape::of(broadcast(scale_), broadcast(tail_)), sums_);
  const V f = sums_.value[0];
  return select((f - f) == V{}, f, broadcast(infinity));
}

}  // namespace lawfit
