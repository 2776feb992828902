#include "basin.hpp"

#include <algorithm>

#include "stages.hpp"

namespace lawfit {

namespace {
constexpr double kWay[] = {0, 0.1, 0.3, 0.6, 0.85, 1};   // where the objective is looked at
constexpr double kLevel = 1e-9;                          // relative rise that still counts as level
}  // namespace

BasinTest::BasinTest(const Problem& problem, const TableData& table, int64_t rows)
    : problem_(problem), table_(table), p_(problem.parameters()),
      evaluator_(*problem.program, problem.space, problem.loss, rows, !table.weight.empty() || layout_for(rows) == Layout::points,
                 !table.inverse_sigma.empty(), layout_for(rows)),
      arena_(4 * p_ + sum_vectors(p_)), means_(problem.centring->nodes.size()), scratch_(p_) {
  for (V** v : {&from_, &to_, &theta_}) *v = arena_.take_vectors(p_);
  logarithmic_ = reinterpret_cast<L*>(arena_.take(p_));
  sums_ = make_sums(arena_.take_vectors(sum_vectors(p_)), p_, false);
}

V BasinTest::objective_at(double way, const LossNumbers& numbers) {
  for (int k = 0; k < p_; ++k) {
    const V step = broadcast(way) * (to_[k] - from_[k]), straight = from_[k] + step;
    if (!any(logarithmic_[k])) { theta_[k] = straight; continue; }
    const V ratio = select(logarithmic_[k], to_[k] / from_[k], broadcast(1.0));
    theta_[k] = select(logarithmic_[k], from_[k] * v_exp(broadcast(way) * v_log(ratio)), straight);
  }
  const double scale = has_kink(problem_.loss) ? 1e-300 : numbers.scale;
  evaluator_.evaluate(Tier::value, theta_, LossShape::of(broadcast(scale), broadcast(numbers.tail)), sums_);
  return sums_.value[0];
}

void BasinTest::inside(int64_t begin, int64_t count, const double* optimum, const double* const* starts, int64_t n, const LossNumbers& numbers,
                       char* answer) {
  const int lanes = evaluator_.lanes();
  for (int lane = 0; lane < lanes; ++lane) evaluator_.load_lane(lane, table_, begin, count, nullptr, means_.data());
  auto centred = [&](const double* natural) {
    std::copy_n(natural, p_, scratch_.data());
    shift_centre(*problem_.centring, scratch_.data(), means_.data(), 1);
  };
  centred(optimum);
  for (int k = 0; k < p_; ++k) to_[k] = broadcast(scratch_[k]);
  for (int64_t first = 0; first < n; first += lanes) {
    for (int lane = 0; lane < W; ++lane) {
      centred(starts[std::min(first + (lanes == 1 ? 0 : lane), n - 1)]);
      for (int k = 0; k < p_; ++k) from_[k][lane] = scratch_[k];
    }
    for (int k = 0; k < p_; ++k) logarithmic_[k] = problem_.log_metric[k] ? from_[k] * to_[k] > broadcast(0.0) : broadcast_bits(0);
    L falls = broadcast_bits(-1);
    V before = objective_at(kWay[0], numbers);
    for (size_t i = 1; i < std::size(kWay) && any(falls); ++i) {
      const V now = objective_at(kWay[i], numbers);
      falls &= now <= before * broadcast(1 + kLevel);   // false for NaN
      before = now;
    }
    for (int lane = 0; lane < lanes && first + lane < n; ++lane) answer[first + lane] = falls[lane] != 0;
  }
}

}  // namespace lawfit
