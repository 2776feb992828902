#include "starts.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "least_squares.hpp"
#include "random.hpp"

namespace lawfit {

namespace {
// By the number of nonlinear parameters; the last entries serve all larger ones.
constexpr int kScreenPerDimension[] = {1, 64, 192, 384, 768, 1024, 1536, 2048};
constexpr int kChosenPerDimension[] = {1, 8, 16, 24, 32, 40, 48, 64};
constexpr int kMostDimensions = 7;
constexpr int64_t kMostSubsetRows = 2048;
constexpr double kNeighbours = 1.0;          // nodes beside each other, in mean distances between nodes
constexpr int kFewDimensions = 3;            // above, too few nodes see a basin for one of them to be its lowest
constexpr double kUnscreened[] = {0.125, 0.25};   // of the starts: nodes as they come, low or not; with one dimension, with more
constexpr double kAtInfinity = 100;          // a scale of so many times the largest value might as well be infinite
constexpr double kShare = 0.03;              // ridge on bounded linear parts, of each one's own square
constexpr int kReweighed = 4;                // reweighted least squares of a start's linear parameters
constexpr double kScreenWork = 4e6;          // rows x nodes that screening may cost

double log_uniform(double u, double low, double high) { return low * std::pow(high / low, u); }
// Splits one uniform number into a choice with probability `share` and a fresh uniform number.
bool choose(double& u, double share) {
  if (u < share) { u /= share; return true; }
  u = (u - share) / (1 - share);
  return false;
}
}  // namespace

StartPlan plan_starts(const Graph& graph, const Analysis& analysis, const Program& program, std::vector<double> lower,
                      std::vector<double> upper, std::vector<double> guess, Space space, Loss loss, int64_t rows, int asked, int one_in) {
  StartPlan plan{&analysis, &program, {}, {}, std::move(lower), std::move(upper), std::move(guess), space, loss, 0, 0, false};
  int nonlinear = 0;
  for (size_t k = 0; k < analysis.roles.size(); ++k) {
    const ParameterRole& role = analysis.roles[k];
    if (!analysis.linear[k]) ++nonlinear;
    plan.kept_of_role.push_back(-1);
    plan.logged.push_back(0);
    for (size_t c = 0; role.node >= 0 && c < program.kept_nodes.size(); ++c) {
      const int node = program.kept_nodes[c];
      if (node == role.node) { plan.kept_of_role[k] = static_cast<int>(c); plan.logged[k] = 0; break; }
      if (graph[node].op == Op::LOG && graph[node].a == role.node) { plan.kept_of_role[k] = static_cast<int>(c); plan.logged[k] = 1; }
    }
  }
  const int dimension = std::min(nonlinear, kMostDimensions);
  plan.nodes = kScreenPerDimension[dimension];
  const int affordable = static_cast<int>(kScreenWork / static_cast<double>(std::max<int64_t>(rows, 1)));
  plan.nodes = std::min(plan.nodes, std::max(affordable, std::min(plan.nodes, 64)));
  plan.chosen = std::min(kChosenPerDimension[dimension], plan.nodes);
  // There may be an optimum for every set of rows that are taken for outliers.
  plan.subsets = forgets(loss) && rows <= kMostSubsetRows;
  if (forgets(loss)) {
    plan.nodes = std::max(plan.nodes, 64);
    plan.chosen = std::max(plan.chosen, 12);
  }
  plan.nodes = std::max(plan.nodes / one_in, 1);
  plan.chosen = std::max(plan.chosen / one_in, 1);
  if (asked > 0) plan.nodes = plan.chosen = asked;
  return plan;
}

StartMaker::StartMaker(const StartPlan& plan, bool exponential_target, const Centring& centring, Evaluator& linear, Evaluator& real, double scale, double tail)
    : plan_(plan), centring_(centring), linear_(linear), real_(real), scale_(scale), tail_(tail),
      p_(plan.program->parameters), arena_(2 * p_ + sum_vectors(p_)), smallest_(p_), largest_(p_), closest_(p_),
      nodes_(static_cast<size_t>(plan.nodes) * p_), objective_(plan.nodes), means_(centring.nodes.size()) {
  theta_ = arena_.take_vectors(p_);
  unweighed_ = arena_.take_vectors(p_);
  sums_ = make_sums(arena_.take_vectors(sum_vectors(p_)), p_, false);
  for (int k = 0; k < p_; ++k) (plan.analysis->linear[k] ? linear_parameters_ : nonlinear_).push_back(k);
  for (int k : nonlinear_) {
    const bool natural = plan.analysis->roles[k].role == Role::location || std::isfinite(plan.guess[k]);
    const bool shifts = std::any_of(centring.shifts.begin(), centring.shifts.end(), [&](const CentreShift& s) { return s.partner == k; });
    if (natural && shifts) natural_.push_back(k);
  }
  const size_t l = linear_parameters_.size();
  units_.resize(static_cast<size_t>(plan.nodes) * dimensions());
  gram_.resize(l * l);
  right_.resize(l);
  solution_.resize(l * 3);
  work_.resize(l * l);
  exponential_target_ = exponential_target;
  order_.resize(plan.nodes);
  scratch_.resize(p_);
}

void StartMaker::column_ranges(const TableData& table, int64_t begin, int64_t count) {
  for (int k : nonlinear_) {
    smallest_[k] = 0; largest_[k] = 1; closest_[k] = 1;
    const int c = plan_.kept_of_role[k];
    if (c < 0) continue;
    double low = infinity, high = -infinity, near = infinity;
    for (int64_t r = begin; r < begin + count; ++r) {
      double x = table.columns[c][r];
      if (plan_.logged[k]) x = std::exp(x);
      if (!std::isfinite(x)) continue;
      low = std::min(low, x);
      high = std::max(high, x);
      if (x != 0) near = std::min(near, std::fabs(x));
    }
    if (!(high >= low)) continue;
    smallest_[k] = low; largest_[k] = high;
    closest_[k] = std::isfinite(near) ? near : 1;
  }
}

double StartMaker::draw_one(int k, double u, int node) const {
  const ParameterRole& role = plan_.analysis->roles[k];
  const double guess = plan_.guess[k];
  if (std::isfinite(guess) && (node == 0 || choose(u, 0.5)))
    return node == 0 ? guess : guess != 0 ? guess * log_uniform(u, 0.33, 3) : 2 * u - 1;
  const double low = smallest_[k], high = largest_[k], size = column_size(k);
  switch (role.role) {
    case Role::exponent: {
      // Laws mostly decay: an exponent that enters with a minus sign is mostly positive.
      const double decay = role.sign < 0 ? 0.8 : role.sign > 0 ? 0.35 : 0.6;
      return choose(u, decay) ? log_uniform(u, 0.03, 3) : -log_uniform(u, 0.03, 2);
    }
    case Role::rate: {
      const double slowest = 0.03 / size, fastest = std::max(10 / size, std::min(3 / closest_[k], 1e6 / size));
      const double positive = role.sign < 0 ? 0.85 : role.sign > 0 ? 0.25 : 0.6;
      return (choose(u, positive) ? 1 : -1) * log_uniform(u, slowest, fastest);
    }
    case Role::location: {
      const double range = std::max(high - low, 1e-3 * size);
      if (role.sign > 0)   // x + p: a shift to the left, or a pole outside the data
        return choose(u, 0.7) ? log_uniform(u, 1e-3, 10) * range - std::min(low, 0.0) : -low + range * (1.5 * u - 1);
      // x - p: within the data, beyond them, or just below the least of them, where a pole may be.
      if (choose(u, 0.2)) return low - closest_[k] * log_uniform(u, 1e-3, 3);
      return choose(u, 0.7) ? low + range * (1.2 * u - 0.1) : low + range * (4 * u - 2.5);
    }
    case Role::scale:
      if (plan_.lower[k] < 0 && choose(u, 0.1)) return -log_uniform(u, size, 30 * size);
      return choose(u, 0.6) ? log_uniform(u, closest_[k] / 10, size * 10) : log_uniform(u, size, size * 1e8);
    case Role::log_amplitude: return choose(u, 0.5) ? target_size_ + 5 * u - 4 : 16 * u - 6;
    case Role::offset:   // beside a power of a centred column, which is of any size on either side of one
      if (plan_.lower[k] >= 0 && choose(u, 0.5)) return log_uniform(u, 1e-5, 1e5);
      return choose(u, 0.5) ? 10 * u - 5 : target_size_ * (4 * u - 2);
    default: return (choose(u, 0.75) ? 1 : -1) * log_uniform(u, 0.02, 50);
  }
}

double StartMaker::column_size(int k) const { return std::max({std::fabs(smallest_[k]), std::fabs(largest_[k]), 1e-300}); }

// A scale or a location at infinity, or a rate at zero: the data have lost hold of it.
bool StartMaker::on_edge(int k, double value) const {
  const Role role = plan_.analysis->roles[k].role;
  const double sizes = std::fabs(value) / column_size(k), rate = std::fabs(value) * column_size(k);
  return ((role == Role::scale || role == Role::location) && sizes > kAtInfinity) || (role == Role::rate && rate < 1 / kAtInfinity);
}
// Back among the data or, where a bound does not forbid it, at the other side, where the law goes on.
double StartMaker::off_edge(int k, double value, double u) const {
  const Role role = plan_.analysis->roles[k].role;
  const bool another_side = role != Role::location && (value > 0 ? plan_.lower[k] < 0 : plan_.upper[k] > 0);
  if (!another_side) return draw_one(k, u, 1);
  const double size = column_size(k);
  return std::copysign(role == Role::scale ? log_uniform(u, 1, 30) * size : log_uniform(u, 0.03, 3) / size, -value);
}
bool StartMaker::any_on_edge(const TableData& table, int64_t begin, int64_t count, const double* natural) {
  column_ranges(table, begin, count);
  return std::any_of(nonlinear_.begin(), nonlinear_.end(), [&](int k) { return on_edge(k, natural[k]); });
}

// About half of the coordinates move, by up to a few e-folds or the like in their own units.
double StartMaker::scatter_one(int k, double u) const {
  const double centre = centre_[k];
  if (choose(u, 0.4)) return centre;
  if (on_edge(k, centre) && choose(u, 0.5)) return off_edge(k, centre, u);
  const double side = 2 * u - 1;
  switch (plan_.analysis->roles[k].role) {
    case Role::exponent: case Role::log_amplitude: case Role::offset: return centre + side * std::max(0.7 * std::fabs(centre), 0.5);
    case Role::location:
      if (choose(u, 0.5)) return centre + (2 * u - 1) * 0.5 * std::max(largest_[k] - smallest_[k], 1e-3 * std::fabs(centre));
      [[fallthrough]];
    default: return centre != 0 ? centre * std::exp(1.8 * (2 * u - 1)) : side;
  }
}

void StartMaker::draw(int node, double* theta) {
  double* unit = units_.data() + static_cast<size_t>(node) * dimensions();
  sobol_->point(node, unit);
  for (int k : linear_parameters_) theta[k] = 0;
  for (size_t i = 0; i < nonlinear_.size(); ++i) {
    const int k = nonlinear_[i];
    const double low = plan_.lower[k], high = plan_.upper[k];
    double value = centre_ ? scatter_one(k, unit[i]) : draw_one(k, unit[i], node);
    if (value < low || value > high) {
      if (std::isfinite(low) && std::isfinite(high)) value = low + unit[i] * (high - low);
      else value = value < low ? low + std::fabs(value - low) : high - std::fabs(value - high);
      value = std::clamp(value, low, high);
    }
    theta[k] = value;
  }
  if (!centre_) centre_natural(theta);
}

// Locations within the data, and guesses, are drawn in natural coordinates; all else in centred ones.
void StartMaker::centre_natural(double* theta) {
  if (natural_.empty()) return;
  std::copy_n(theta, p_, scratch_.data());
  shift_centre(centring_, scratch_.data(), means_.data(), 1);
  for (int k : natural_) theta[k] = scratch_[k];
}

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

// Loads rows [begin, begin + count) into every lane of both evaluators.
void StartMaker::load(const TableData& linear_table, const TableData& real_table, int64_t begin, int64_t count) {
  for (int lane = 0; lane < real_.lanes(); ++lane) {
    linear_.load_lane(lane, linear_table, begin, count, nullptr, means_.data());
    real_.load_lane(lane, real_table, begin, count, nullptr, means_.data());
  }
}

// Every second node sees only a random part of the rows: half of them, or just enough for the
// linear parameters, which has the best chance to hold no outlier.
void StartMaker::draw_subsets(const TableData& table, int64_t begin, int64_t count, uint64_t seed, int first) {
  subset_.resize(count);
  for (int lane = 0; lane < linear_.lanes(); ++lane) {
    const int node = first + lane;
    if (node % 2 == 0) {
      linear_.load_lane(lane, table, begin, count, nullptr, means_.data());
      continue;
    }
    const Philox stream(seed, 0x5B5E7u + static_cast<uint64_t>(node));
    const size_t linear = linear_parameters_.size();
    const double few = static_cast<double>(linear) + (linear == 1 && node % 8 == 7 ? 0.5 : 2);   // one row may decide one amplitude
    const double limit = (node % 4 == 1 ? 0.5 : few / static_cast<double>(count)) * 4294967296.0;
    for (int64_t r = 0; r < count; ++r) {
      const bool drawn = stream.block(static_cast<uint64_t>(r))[0] < limit;
      subset_[r] = drawn ? (table.weight.empty() ? 1.0 : table.weight[begin + r]) : 0.0;
    }
    linear_.load_drawn(lane, table, begin, count, subset_.data(), means_.data());
  }
}

// Linear parameters of every lane from the nonlinear ones in theta_.
void StartMaker::solve_lanes(bool nonnegative, double share) {
  for (int k : linear_parameters_) theta_[k] = V{};
  linear_.evaluate(Tier::jacobian, theta_, LossShape::of(broadcast(1.0), broadcast(0.5)), sums_);
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
    real_.evaluate(Tier::jacobian, theta_, LossShape::of(scale, broadcast(tail_)), sums_);
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

void StartMaker::make(const TableData& linear_table, const TableData& real_table, int64_t begin, int64_t count, uint64_t seed,
                      const double* centre, double* out) {
  prepare(linear_table, real_table, begin, count, centre);
  screen(linear_table, begin, count, seed, plan_.nodes);
  choose_starts();
  write_starts(plan_.chosen, out);
}

void StartMaker::make_plain(const TableData& linear_table, const TableData& real_table, int64_t begin, int64_t count, uint64_t seed,
                            int starts, double* out) {
  prepare(linear_table, real_table, begin, count, nullptr);
  const int nodes = std::min(2 * starts, plan_.nodes);
  screen(linear_table, begin, count, seed, nodes);
  std::iota(order_.begin(), order_.end(), 0);
  std::stable_partition(order_.begin(), order_.begin() + nodes, [&](int node) { return objective_[node] < infinity; });
  write_starts(starts, out);
}

// What nodes are drawn and judged by.
void StartMaker::prepare(const TableData& linear_table, const TableData& real_table, int64_t begin, int64_t count, const double* centre) {
  column_ranges(real_table, begin, count);
  sizes_.assign(linear_table.target.begin() + begin, linear_table.target.begin() + begin + count);
  std::nth_element(sizes_.begin(), sizes_.begin() + count / 2, sizes_.end());
  target_size_ = exponential_target_ ? sizes_[count / 2] : std::log(std::max(std::fabs(sizes_[count / 2]), 1e-300));
  load(linear_table, real_table, begin, count);
  if (centre) {
    around_.assign(centre, centre + p_);
    shift_centre(centring_, around_.data(), means_.data(), 1);
  }
  centre_ = centre ? around_.data() : nullptr;
}

// Draws nodes, solves for their linear parameters, and takes down their objectives.
void StartMaker::screen(const TableData& linear_table, int64_t begin, int64_t count, uint64_t seed, int nodes) {
  const Sobol sobol(dimensions(), seed);
  sobol_ = &sobol;
  const int lanes = real_.lanes();
  for (int first = 0; first < nodes; first += lanes) {
    for (int lane = 0; lane < W; ++lane) {
      const int node = std::min(first + (lanes == 1 ? 0 : lane), nodes - 1);
      double* at = nodes_.data() + static_cast<size_t>(node) * p_;
      draw(node, at);
      for (int k = 0; k < p_; ++k) theta_[k][lane] = at[k];
    }
    if (plan_.subsets) draw_subsets(linear_table, begin, count, seed, first);
    // Terms of a law that is fitted through a logarithm are mostly positive, but need not be.
    // Of two that look alike the best fit at bounds keeps one: better that each has a share to start with.
    if (!linear_parameters_.empty()) solve_lanes(through_logarithm() && (first / lanes) % 4 != 3, kShare);
    const V f = objectives();
    for (int lane = 0; lane < lanes && first + lane < nodes; ++lane) {
      const int node = first + lane;
      objective_[node] = f[lane];
      for (int k = 0; k < p_; ++k) nodes_[static_cast<size_t>(node) * p_ + k] = theta_[k][lane];
    }
  }
}

void StartMaker::write_starts(int starts, double* out) {
  const int lanes = real_.lanes();
  const bool reweighs = !linear_parameters_.empty() && !through_logarithm() && plan_.loss != Loss::squared && !of_counts(plan_.loss);
  for (int first = 0; first < starts; first += lanes) {
    const auto node = [&](int lane) { return nodes_.data() + static_cast<size_t>(order_[std::min(first + (lanes == 1 ? 0 : lane), starts - 1)]) * p_; };
    for (int lane = 0; lane < W; ++lane) for (int k = 0; k < p_; ++k) theta_[k][lane] = node(lane)[k];
    if (reweighs) reweigh_lanes();
    for (int lane = 0; lane < lanes && first + lane < starts; ++lane) {
      double* start = out + static_cast<size_t>(first + lane) * p_;
      for (int k = 0; k < p_; ++k) start[k] = theta_[k][lane];
      shift_centre(centring_, start, means_.data(), -1);
    }
  }
}

// The lowest nodes; first those that have none lower beside them, so that every basin seen gets a start.
void StartMaker::choose_starts() {
  std::iota(order_.begin(), order_.end(), 0);
  if (plan_.chosen == plan_.nodes) return;
  std::stable_sort(order_.begin(), order_.end(), [&](int a, int b) { return objective_[a] < objective_[b]; });
  if (dimensions() > kFewDimensions) return;
  basins_first();
  // The last ones as they come: the lowest nodes may all lie in one basin that is not the lowest.
  int to = plan_.chosen - static_cast<int>(kUnscreened[dimensions() > 1] * plan_.chosen);
  for (int node = 0; node < plan_.nodes && to < plan_.chosen; ++node) {
    if (objective_[node] == infinity) continue;
    const auto at = std::find(order_.begin() + to, order_.end(), node);
    if (at == order_.end()) continue;   // chosen already
    std::rotate(order_.begin() + to, at, at + 1);
    ++to;
  }
}

void StartMaker::basins_first() {
  const int d = dimensions();
  const double near = kNeighbours * std::pow(plan_.nodes, -1.0 / d);
  const auto beside = [&](int a, int b) {
    const double *x = &units_[static_cast<size_t>(a) * d], *y = &units_[static_cast<size_t>(b) * d];
    return std::equal(x, x + d, y, [&](double u, double v) { return std::fabs(u - v) <= near; });
  };
  int basins = 0;
  for (int i = 0; i < plan_.nodes && basins < plan_.chosen; ++i) {
    const int node = order_[i];
    if (objective_[node] == infinity) break;   // outside the law's domain there are no basins
    if (std::any_of(order_.begin(), order_.begin() + i, [&](int lower) { return beside(node, lower); })) continue;
    std::rotate(order_.begin() + basins, order_.begin() + i, order_.begin() + i + 1);
    ++basins;
  }
}

void StartMaker::project(const TableData& linear_table, const TableData& real_table, int64_t begin, int64_t count, int64_t starts, double* values) {
  load(linear_table, real_table, begin, count);
  const int lanes = real_.lanes();
  for (int64_t first = 0; first < starts; first += lanes) {
    for (int lane = 0; lane < W; ++lane) {
      double* at = values + std::min<int64_t>(first + (lanes == 1 ? 0 : lane), starts - 1) * p_;
      std::copy_n(at, p_, scratch_.data());
      shift_centre(centring_, scratch_.data(), means_.data(), 1);
      for (int k = 0; k < p_; ++k) theta_[k][lane] = scratch_[k];
    }
    const V given = objectives();
    solve_lanes(through_logarithm(), 0);
    const L better = objectives() < given;
    for (int lane = 0; lane < lanes && first + lane < starts; ++lane) {
      if (!better[lane]) continue;
      for (int k = 0; k < p_; ++k) scratch_[k] = theta_[k][lane];
      shift_centre(centring_, scratch_.data(), means_.data(), -1);
      std::copy_n(scratch_.data(), p_, values + (first + lane) * p_);
    }
  }
}

}  // namespace lawfit
