#include "starts.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>

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
constexpr double kShare = 0.03;              // ridge on bounded linear parts, of each one's own square
constexpr double kScreenWork = 4e6;          // rows x nodes that screening may cost
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
    plan.nodes = std::max(plan.nodes, 128);
    plan.chosen = std::max(plan.chosen, 24);
  }
  plan.nodes = std::max(plan.nodes / one_in, 1);
  plan.chosen = std::max(plan.chosen / one_in, 1);
  if (asked > 0) plan.nodes = plan.chosen = asked;
  return plan;
}

StartMaker::StartMaker(const StartPlan& plan, bool exponential_target, const Centring& centring, Evaluator& linear, Evaluator& real, double scale, double tail)
    : plan_(plan), centring_(centring), linear_(linear), real_(real), scale_(scale), tail_(tail),
      p_(plan.program->parameters), arena_(2 * p_ + sum_vectors(p_)), smallest_(p_), largest_(p_), closest_(p_), unfelt_(p_),
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

// Loads rows [begin, begin + count) into every lane of both evaluators.
void StartMaker::load(const TableData& linear_table, const TableData& real_table, int64_t begin, int64_t count) {
  for (int lane = 0; lane < real_.lanes(); ++lane) {
    linear_.load_lane(lane, linear_table, begin, count, nullptr, means_.data());
    real_.load_lane(lane, real_table, begin, count, nullptr, means_.data());
  }
}

void StartMaker::make(const TableData& linear_table, const TableData& real_table, int64_t begin, int64_t count, uint64_t seed,
                      const double* centre, Screening part, double* out) {
  prepare(linear_table, real_table, begin, count, centre);
  screen(linear_table, begin, count, seed, part.first, part.nodes);
  choose_starts(part);
  write_starts(part.starts, out);
}

int StartMaker::make_plain(const TableData& linear_table, const TableData& real_table, int64_t begin, int64_t count, uint64_t seed,
                            int starts, double* out) {
  prepare(linear_table, real_table, begin, count, nullptr);
  const int nodes = std::min(2 * starts, plan_.nodes);
  starts = std::min(starts, nodes);
  screen(linear_table, begin, count, seed, 0, nodes);
  std::iota(order_.begin(), order_.end(), 0);
  std::stable_partition(order_.begin(), order_.begin() + nodes, [&](int node) { return objective_[node] < infinity; });
  write_starts(starts, out);
  return starts;
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
    find_unfelt();
  }
  centre_ = centre ? around_.data() : nullptr;
}

// Nonlinear parameters of terms that are absent at the centre: they may have any value there.
void StartMaker::find_unfelt() {
  for (int k = 0; k < p_; ++k) theta_[k] = broadcast(around_[k]);
  real_.evaluate(Tier::jacobian, theta_, LossShape::of(broadcast(scale_), broadcast(tail_)), sums_);
  for (int k : nonlinear_) {
    const bool drawn_as_is = std::find(natural_.begin(), natural_.end(), k) == natural_.end();
    unfelt_[k] = drawn_as_is && sums_.majorised[k * (k + 1) / 2 + k][0] == 0;
  }
}

// Draws nodes from number `from` on, solves for their linear parameters, and takes down their objectives.
void StartMaker::screen(const TableData& linear_table, int64_t begin, int64_t count, uint64_t seed, int from, int nodes) {
  const Sobol sobol(dimensions(), seed);
  sobol_ = &sobol;
  const int lanes = real_.lanes();
  for (int first = 0; first < nodes; first += lanes) {
    for (int lane = 0; lane < W; ++lane) {
      const int node = std::min(first + (lanes == 1 ? 0 : lane), nodes - 1);
      double* at = nodes_.data() + static_cast<size_t>(node) * p_;
      draw(from + node, units_.data() + static_cast<size_t>(node) * dimensions(), at);
      for (int k = 0; k < p_; ++k) theta_[k][lane] = at[k];
    }
    if (plan_.subsets) draw_subsets(linear_table, begin, count, seed, from + first);
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
    for (int lane = 0; lane < lanes && first + lane < starts; ++lane) write_lane(lane, out + static_cast<size_t>(first + lane) * p_);
  }
}

// In natural scale.
void StartMaker::write_lane(int lane, double* out) const {
  for (int k = 0; k < p_; ++k) out[k] = theta_[k][lane];
  shift_centre(centring_, out, means_.data(), -1);
}

// The lowest nodes; first those that have none lower beside them, so that every basin seen gets a start.
void StartMaker::choose_starts(const Screening& part) {
  const auto end = order_.begin() + part.nodes;
  std::iota(order_.begin(), end, 0);
  if (part.starts == part.nodes) return;
  std::stable_sort(order_.begin(), end, [&](int a, int b) { return objective_[a] < objective_[b]; });
  if (dimensions() > kFewDimensions) return;
  basins_first(part);
  // The last ones as they come: the lowest nodes may all lie in one basin that is not the lowest.
  int to = part.starts - static_cast<int>(kUnscreened[dimensions() > 1] * part.starts);
  for (int node = 0; node < part.nodes && to < part.starts; ++node) {
    if (objective_[node] == infinity) continue;
    const auto at = std::find(order_.begin() + to, end, node);
    if (at == end) continue;   // chosen already
    std::rotate(order_.begin() + to, at, at + 1);
    ++to;
  }
}

void StartMaker::basins_first(const Screening& part) {
  const int d = dimensions();
  const double near = kNeighbours * std::pow(part.nodes, -1.0 / d);
  const auto beside = [&](int a, int b) {
    const double *x = &units_[static_cast<size_t>(a) * d], *y = &units_[static_cast<size_t>(b) * d];
    return std::equal(x, x + d, y, [&](double u, double v) { return std::fabs(u - v) <= near; });
  };
  int basins = 0;
  for (int i = 0; i < part.nodes && basins < part.starts; ++i) {
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
    for (int lane = 0; lane < lanes && first + lane < starts; ++lane)
      if (better[lane]) write_lane(lane, values + (first + lane) * p_);
  }
}

}  // namespace lawfit
