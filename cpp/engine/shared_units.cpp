#include "shared_units.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "pool.hpp"
#include "solver_constants.hpp"
#include "stages.hpp"

namespace lawfit {

namespace {
constexpr int64_t kInlineRows = 100000;    // rows below which threads cost more than they bring
}  // namespace

SharedSplit::SharedSplit(const std::vector<char>& is_shared) {
  for (size_t k = 0; k < is_shared.size(); ++k) (is_shared[k] ? shared : own).push_back(static_cast<int>(k));
}

SharedUnits::SharedUnits(const Problem& problem, const std::vector<char>& is_shared, const TableData& table, const std::vector<SharedRows>& groups,
                         int threads)
    : problem_(problem), split_(is_shared), table_(table), groups_(groups), p_(problem.parameters()), entries_(p_ * (p_ + 1) / 2),
      threads_(std::max(threads, 1)), order_(groups.size()) {
  std::iota(order_.begin(), order_.end(), 0);
  // Equal lengths side by side waste no lanes on padding.
  std::stable_sort(order_.begin(), order_.end(), [&](int64_t a, int64_t b) { return groups_[a].count < groups_[b].count; });
  int64_t longest[2] = {0, 0}, shortest = order_.empty() ? 0 : groups_[order_[0]].count;
  bool drawn = false;
  for (size_t k = 0; k < order_.size();) {
    SharedUnit unit;
    unit.first = static_cast<int64_t>(k);
    unit.layout = layout_for(groups_[order_[k]].count);
    const size_t most = unit.layout == Layout::points ? 1 : W;
    while (unit.lanes < static_cast<int>(most) && k < order_.size() && layout_for(groups_[order_[k]].count) == unit.layout) {
      const SharedRows& rows = groups_[order_[k++]];
      int64_t& most_rows = longest[unit.layout == Layout::points];
      most_rows = std::max(most_rows, rows.count);
      rows_ += rows.count;
      drawn |= rows.weight != nullptr;
      ++unit.lanes;
    }
    units_.push_back(unit);
  }
  const int m = shared(), q = own();
  const size_t each = 3 * static_cast<size_t>(p_) + q * (q + 1) / 2 + 3 * q + static_cast<size_t>(q) * m + m * (m + 1) / 2 + m + 2 * sum_vectors(p_);
  arena_ = std::make_unique<Arena>(each * units_.size());
  for (SharedUnit& unit : units_) {
    for (V** v : {&unit.theta, &unit.trial, &unit.step}) *v = arena_->take_vectors(p_);
    unit.factor = arena_->take_vectors(q * (q + 1) / 2);
    unit.right = arena_->take_vectors(q);
    unit.fixed_step = arena_->take_vectors(q);
    unit.fixed = reinterpret_cast<L*>(arena_->take(q));
    unit.coupling = arena_->take_vectors(static_cast<size_t>(q) * m);
    unit.reduced = arena_->take_vectors(m * (m + 1) / 2);
    unit.reduced_right = arena_->take_vectors(m);
    unit.now = make_sums(arena_->take_vectors(sum_vectors(p_)), p_, true);
    unit.next = make_sums(arena_->take_vectors(sum_vectors(p_)), p_, true);
  }
  const bool weighted = drawn || !table.weight.empty() || shortest != longest[0], with_sigma = !table.inverse_sigma.empty();
  const int workers = rows_ < kInlineRows ? 1 : threads_;
  for (int w = 0; w < workers; ++w) {
    Worker worker;
    if (longest[0]) worker.problems = std::make_unique<Evaluator>(*problem.program, problem.space, problem.loss, longest[0], weighted, with_sigma, Layout::problems);
    if (longest[1]) worker.points = std::make_unique<Evaluator>(*problem.program, problem.space, problem.loss, longest[1], true, with_sigma, Layout::points);
    workers_.push_back(std::move(worker));
  }
  for (const SharedRows& rows : groups_)
    for (int64_t r = 0; r < rows.count; ++r)
      weight_total_ += rows.weight ? rows.weight[r] : table.weight.empty() ? 1 : table.weight[rows.begin + r];
  const size_t nodes = problem.centring->nodes.size();
  means_.assign(nodes * groups_.size() + 1, 0.0);
  for (const SharedUnit& unit : units_) {
    Evaluator& evaluator = *(unit.layout == Layout::points ? workers_[0].points : workers_[0].problems);
    for (int lane = 0; lane < unit.lanes; ++lane) {
      const SharedRows& rows = groups_[group_of(unit, lane)];
      evaluator.load_lane(lane, table_, rows.begin, rows.count, rows.weight, &means_[(unit.first + lane) * nodes]);
    }
  }
}

// work(unit, worker) for every unit, in any order.
template <class Work> void SharedUnits::each(const Work& work) {
  std::atomic<size_t> next{0};
  Cancellation never;
  run_workers(static_cast<int>(workers_.size()), [&](int w) {
    constexpr size_t kStretch = 8;
    for (size_t k = next.fetch_add(kStretch); k < units_.size(); k = next.fetch_add(kStretch))
      for (size_t j = k; j < std::min(k + kStretch, units_.size()); ++j) work(units_[j], workers_[w]);
  }, nullptr, never);
}

void SharedUnits::place(const double* values) {
  const size_t nodes = problem_.centring->nodes.size();
  std::vector<double> centred(p_);
  for (SharedUnit& unit : units_) {
    unit.lambda = broadcast(kFirstDampingFinish);
    unit.patience = broadcast(1.0);
    unit.gauss_steps = V{};
    unit.newton = broadcast_bits(-1);
    unit.size = unit.last_size = broadcast(infinity);
    for (int lane = 0; lane < W; ++lane) {   // idle lanes repeat the last group
      const int64_t k = unit.first + std::min(lane, unit.lanes - 1);
      std::copy_n(values + order_[k] * p_, p_, centred.begin());
      shift_centre(*problem_.centring, centred.data(), &means_[k * nodes], 1);
      for (int i = 0; i < p_; ++i) unit.trial[i][lane] = unit.theta[i][lane] = std::clamp(centred[i], problem_.lower[i], problem_.upper[i]);
    }
  }
}

void SharedUnits::read(double* values) const {
  const size_t nodes = problem_.centring->nodes.size();
  for (const SharedUnit& unit : units_)
    for (int lane = 0; lane < unit.lanes; ++lane) {
      double* out = values + order_[unit.first + lane] * p_;
      for (int i = 0; i < p_; ++i) out[i] = unit.theta[i][lane];
      shift_centre(*problem_.centring, out, &means_[(unit.first + lane) * nodes], -1);
      for (int i = 0; i < p_; ++i) {   // bounds exactly
        if (unit.theta[i][lane] <= problem_.lower[i]) out[i] = problem_.lower[i];
        if (unit.theta[i][lane] >= problem_.upper[i]) out[i] = problem_.upper[i];
      }
    }
}

void SharedUnits::load(Evaluator& evaluator, const SharedUnit& unit) {
  std::vector<double>& scratch = means_;   // means are known: they are written as they are
  const size_t nodes = problem_.centring->nodes.size();
  const int lanes = unit.layout == Layout::points ? 1 : W;
  for (int lane = 0; lane < lanes; ++lane) {
    const int64_t k = unit.first + std::min(lane, unit.lanes - 1);
    const SharedRows& rows = groups_[order_[k]];
    evaluator.load_lane(lane, table_, rows.begin, rows.count, rows.weight, &scratch[k * nodes]);
  }
}

void SharedUnits::evaluate(const LossShape& shape) {
  each([&](SharedUnit& unit, Worker& worker) {
    Evaluator& evaluator = *(unit.layout == Layout::points ? worker.points : worker.problems);
    load(evaluator, unit);
    evaluator.evaluate(Tier::hessian, unit.trial, shape, unit.next);
  });
}

void SharedUnits::accept() {
  for (SharedUnit& unit : units_) {
    std::copy_n(unit.trial, p_, unit.theta);
    std::copy_n(unit.next.value, unit.now.vectors, unit.now.value);
  }
}

void SharedUnits::hold_pressed() {
  const V zero{};
  for (SharedUnit& unit : units_)
    for (int i = 0; i < own(); ++i) {
      const int k = split_.own[i];
      const V g = unit.now.gradient[k];
      const L idle = (unit.now.majorised[at(k, k)] == zero) & (g == zero);
      unit.fixed[i] = idle | ((unit.theta[k] <= broadcast(problem_.lower[k])) & (g > zero)) | ((unit.theta[k] >= broadcast(problem_.upper[k])) & (g < zero));
      unit.fixed_step[i] = zero;
    }
}

// As in the finish of a single fit: the curvature, and for nonlinear parameters a little energy.
V SharedUnits::damping(const SharedUnit& unit, int k) const {
  const V curvature = unit.now.majorised[at(k, k)];
  if (problem_.linear[k]) return curvature;
  const V energy = unit.now.energy[0], reach = broadcast(1e-3) * vsqrt(energy / vmax(curvature, broadcast(1e-300)));
  const V size = problem_.typical[k] > 0 ? broadcast(problem_.typical[k]) : vmax(vmax(vabs(unit.theta[k]), broadcast(1e-300)), reach);
  return fma(broadcast(kFinishFloor), energy / (size * size), curvature);
}

// The own block and its border, with rows whose step is given taken out.
void SharedUnits::fill(SharedUnit& unit, const V* chosen) const {
  const int m = shared(), q = own();
  const V zero{}, one = broadcast(1.0);
  for (int i = 0, e = 0; i < q; ++i) {
    const int k = split_.own[i];
    V right = -unit.now.gradient[k];
    for (int j = 0; j < q; ++j)
      if (j != i) right = fnma(chosen[at(k, split_.own[j])], unit.fixed_step[j], right);
    unit.right[i] = select(unit.fixed[i], unit.fixed_step[i], right);
    for (int j = 0; j < i; ++j, ++e) unit.factor[e] = select(unit.fixed[i] | unit.fixed[j], zero, chosen[at(k, split_.own[j])]);
    unit.factor[e++] = select(unit.fixed[i], one, fma(unit.lambda, damping(unit, k), chosen[at(k, k)]));
    for (int c = 0; c < m; ++c) unit.coupling[i * m + c] = select(unit.fixed[i], zero, chosen[at(k, split_.shared[c])]);
  }
}

void SharedUnits::eliminate(SharedUnit& unit) {
  const int m = shared(), q = own();
  V* chosen = unit.next.second;   // scratch: the next evaluation overwrites it
  for (int attempt = 0;; ++attempt) {
    for (int e = 0; e < entries_; ++e) chosen[e] = select(unit.newton, unit.now.second[e], unit.now.majorised[e]);
    fill(unit, chosen);
    const L poor = ~cholesky_factor(q, unit.factor);
    if (!any(poor) || attempt == 14) break;
    // Newton's block is no minimum's here: the majoriser takes over, for longer after every failure.
    const L leave = poor & unit.newton;
    unit.newton &= ~leave;
    unit.patience = select(leave, vmin(unit.patience * broadcast(2.0), broadcast(32.0)), unit.patience);
    unit.gauss_steps = select(leave, V{}, unit.gauss_steps);
    unit.lambda = select(poor & ~leave, vmax(unit.lambda * broadcast(10.0), broadcast(1e-9)), unit.lambda);
  }
  cholesky_apply(q, unit.factor, unit.right);
  V column[64];
  std::vector<V> more(q > 64 ? q : 0);
  V* x = q > 64 ? more.data() : column;
  for (int c = 0; c < m; ++c) {
    for (int i = 0; i < q; ++i) x[i] = unit.coupling[i * m + c];
    cholesky_apply(q, unit.factor, x);
    for (int i = 0; i < q; ++i) unit.coupling[i * m + c] = x[i];
  }
  for (int a = 0, e = 0; a < m; ++a) {
    V right = -unit.now.gradient[split_.shared[a]];
    for (int i = 0; i < q; ++i) right = fnma(chosen[at(split_.shared[a], split_.own[i])], unit.right[i], right);
    unit.reduced_right[a] = right;
    for (int b = 0; b <= a; ++b, ++e) {
      V sum = chosen[at(split_.shared[a], split_.shared[b])];
      for (int i = 0; i < q; ++i) sum = fnma(chosen[at(split_.shared[a], split_.own[i])], unit.coupling[i * m + b], sum);
      unit.reduced[e] = sum;
    }
  }
}

void SharedUnits::eliminate(double shared_lambda) {
  each([&](SharedUnit& unit, Worker&) { eliminate(unit); });
  const int m = shared();
  matrix.assign(static_cast<size_t>(m) * m, 0.0);
  right.assign(m, 0.0);
  for (int a = 0, e = 0; a < m; ++a) {
    right[a] = total([&](const SharedUnit& unit) { return unit.reduced_right[a]; });
    for (int b = 0; b <= a; ++b, ++e)
      matrix[a * m + b] = matrix[b * m + a] = total([&](const SharedUnit& unit) { return unit.reduced[e]; });
    matrix[a * m + a] += shared_lambda * total([&](const SharedUnit& unit) { return damping(unit, split_.shared[a]); });
  }
}

void SharedUnits::finish_step(SharedUnit& unit, const std::vector<double>& shared_step) {
  const int m = shared();
  for (int c = 0; c < m; ++c) unit.step[split_.shared[c]] = broadcast(shared_step[c]);
  for (int i = 0; i < own(); ++i) {
    V step = unit.right[i];
    for (int c = 0; c < m; ++c) step = fnma(unit.coupling[i * m + c], broadcast(shared_step[c]), step);
    unit.step[split_.own[i]] = select(unit.fixed[i], unit.fixed_step[i], step);
  }
}

// What each group's own quadratic model says of the step, and how large the step is for it.
void SharedUnits::predict(SharedUnit& unit) const {
  const V zero{};
  V linear{}, quadratic{}, largest{};
  const V per_energy = broadcast(1.0) / vmax(unit.now.energy[0], broadcast(1e-300));
  for (int i = 0; i < p_; ++i) {
    linear = fma(unit.now.gradient[i], unit.step[i], linear);
    V row{};
    for (int j = 0; j < p_; ++j) row = fma(select(unit.newton, unit.now.second[at(i, j)], unit.now.majorised[at(i, j)]), unit.step[j], row);
    quadratic = fma(row, unit.step[i], quadratic);
    const V curvature = unit.now.majorised[at(i, i)] * per_energy, step = unit.step[i];
    const V squared = (step * curvature * step) / vmax(unit.theta[i] * curvature * unit.theta[i], broadcast(1e-6));
    largest = vmax(largest, select(step == zero, zero, squared));
  }
  unit.predicted = -fma(broadcast(0.5), quadratic, linear);
  unit.modelled = vabs(linear) + broadcast(0.5) * vabs(quadratic);
  unit.last_size = unit.size;
  unit.size = vsqrt(largest);
}

bool SharedUnits::own_steps(const std::vector<double>& shared_step) {
  std::atomic<bool> crossed{false};
  each([&](SharedUnit& unit, Worker&) {
    finish_step(unit, shared_step);
    L any_crossed = broadcast_bits(0);
    for (int i = 0; i < own(); ++i) {
      const int k = split_.own[i];
      const V to = unit.theta[k] + unit.step[k], lower = broadcast(problem_.lower[k]), upper = broadcast(problem_.upper[k]);
      const L low = (to < lower) & ~unit.fixed[i], high = (to > upper) & ~unit.fixed[i];
      unit.fixed_step[i] = select(low, lower - unit.theta[k], select(high, upper - unit.theta[k], unit.fixed_step[i]));
      unit.fixed[i] |= low | high;
      any_crossed |= low | high;
    }
    if (any(any_crossed)) crossed = true;
  });
  return crossed;
}

void SharedUnits::trial_points() {
  each([&](SharedUnit& unit, Worker&) {
    predict(unit);
    for (int i = 0; i < p_; ++i) {
      const V to = vmin(vmax(unit.theta[i] + unit.step[i], broadcast(problem_.lower[i])), broadcast(problem_.upper[i]));
      unit.trial[i] = select(unit.step[i] == V{}, unit.theta[i], to);
    }
  });
}

}  // namespace lawfit
