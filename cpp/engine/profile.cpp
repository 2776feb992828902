#include "profile.hpp"

#include <algorithm>
#include <cmath>

#include "constrained_joint.hpp"
#include "pool.hpp"
#include "row_model.hpp"

namespace lawfit {

namespace {
constexpr double kClose = 1e-7;         // of the root of the rise at an end
constexpr double kEnough = 1e-10;       // of the rise: decreases that need no step
constexpr int kMostRounds = 90, kMostWidenings = 24, kMostTears = 2;
constexpr double kWidest = 2.5;         // one extrapolation goes at most this much further out
constexpr double kNoFurther = 1e-5;     // relative shrinking between a point reached and one that is not
constexpr double kStrayed = 3;          // roots of the rise beyond this are not trusted to lie on the path
constexpr double kJump = 0.05, kNarrow = 1e-3;   // a bracket so narrow whose ends differ by so much is torn

// One side of one quantity.
struct Side {
  int64_t quantity;
  int sign;
  // root: sqrt(rise) in units of the wanted one; numbers: the loss's
  struct Point { double value, root, objective; std::vector<double> parameters; LossNumbers numbers; };
  std::vector<Point> points;       // outwards, beginning at the optimum
  double tried = 0, stride = infinity;   // the value asked for; the longest way there from the last point
  bool stumbled = false;           // the last try found nothing
  int outer = -1;                  // index of the nearest point beyond the end, or -1
  int widenings = 0, rounds = 0;
  double inner_weight = 1, outer_weight = 1;   // of a bracket's ends: less for one that stays (Illinois)
  int replaced = 0;                // the end last replaced: -1 the inner, 1 the outer
  int torn = 0;                    // how often the outer end was found not to continue the inner one
  bool done = false;
  EndKind kind = EndKind::open;
  double end = not_a_number;
};

class ProfileCall {
 public:
  ProfileCall(const CompiledLaw& law, const CompiledLaw& quantity, const QuantityView& quantities, const ProfileRequest& request,
              const FitOptions& options)
      : request_(request), options_(options), p_(law.natural.parameters),
        table_(prepare_table(law.natural, request.table.columns, request.table.y, request.table.weight, request.table.sigma,
                             request.table.rows, request.objective.space)) {
    const std::vector<double> zeros(quantities.table.rows, 0.0);
    quantity_table_ = prepare_table(quantity.natural, quantities.table.columns, zeros.data(), nullptr, nullptr, quantities.table.rows, Space::linear);
    RowModel model(law, request.table, request.objective, std::max<int64_t>(request.table.rows, 1));
    base_ = model.objective(request.fitted.data(), {0, request.table.rows});
    if (request.objective.estimates()) {
      joint_ = std::make_unique<ConstrainedJointFits>(law, request.table, table_, request.objective,
                                                      [this](std::vector<ConstrainedJob>& jobs) { solve_at_numbers(jobs); }, cancelled_);
      base_ = joint_->objective(request.fitted.data());
    }
    TableView view = quantities.table;
    view.y = zeros.data();
    RowModel values(quantity, view, {Space::linear, Loss::squared, 1, 0.5}, std::max<int64_t>(view.rows, 1));
    result_.centre.resize(request.quantities);
    values.rows(request.fitted.data(), {0, view.rows}, {result_.centre.data(), nullptr, nullptr, nullptr, nullptr});
    const int64_t lanes = ConstrainedSolver(law, table_, request.objective, quantity, quantity_table_, request.lower, request.upper).lanes();
    const int workers = static_cast<int>(std::clamp<int64_t>((2 * request.quantities + lanes - 1) / lanes, 1, options.threads));
    for (int w = 0; w < std::max(workers, request.points > 0 ? options.threads : 1); ++w)
      solvers_.push_back(std::make_unique<ConstrainedSolver>(law, table_, request.objective, quantity, quantity_table_, request.lower, request.upper));
  }

  ProfileTable run() {
    for (int64_t q = 0; q < request_.quantities; ++q)
      for (int sign : {-1, 1}) {
        Side side{q, sign, {}, 0};
        side.points.push_back({result_.centre[q], 0, base_, request_.fitted, numbers()});
        sides_.push_back(side);
      }
    while (!cancelled_ && search()) {}
    std::vector<std::vector<Side::Point>> extra(request_.quantities);
    if (request_.points > 0 && !cancelled_) fill_grid(extra);
    gather(extra);
    return std::move(result_);
  }

 private:
  // One fit for every side that is not done; false when all are.
  bool search() {
    std::vector<Side*> todo;
    for (Side& side : sides_) {
      if (!side.done) ask(side);
      if (!side.done) todo.push_back(&side);
    }
    if (todo.empty()) return false;
    std::vector<double> starts(todo.size() * p_);
    std::vector<ConstrainedJob> jobs;
    for (size_t k = 0; k < todo.size(); ++k) {
      const LossNumbers numbers = guess(*todo[k], todo[k]->tried, &starts[k * p_]);
      jobs.push_back({todo[k]->quantity, todo[k]->tried, kEnough * request_.rise[todo[k]->quantity], &starts[k * p_], numbers});
    }
    solve(jobs);
    for (size_t k = 0; k < todo.size(); ++k) answer(*todo[k], jobs[k]);
    return true;
  }

  LossNumbers numbers() const { return {request_.objective.scale, request_.objective.tail}; }
  double limit(const Side& side) const { return side.sign < 0 ? request_.least[side.quantity] : request_.most[side.quantity]; }

  // Which value to look at next, or that the side is done.
  void ask(Side& side) {
    const Side::Point &last = inner(side), *outer = side.outer >= 0 ? &side.points[side.outer] : nullptr;
    if (!(std::fabs(request_.step[side.quantity]) > 0) || !std::isfinite(last.value)) return end(side, EndKind::open, side.sign * infinity);
    if (last.value == limit(side)) return end(side, EndKind::bound, last.value);
    if (++side.rounds > kMostRounds) {
      if (outer) return end(side, EndKind::closed, outer->value);
      return std::isfinite(side.stride) ? end(side, EndKind::infeasible, last.value) : end(side, EndKind::open, side.sign * infinity);
    }
    double to;
    if (outer) {
      to = between(side, last, *outer);
    } else {
      const double here = std::fabs(last.value - side.points[0].value);
      double reach = request_.step[side.quantity];
      if (side.points.size() > 1) {   // the root of the rise grows about in proportion to the distance
        const Side::Point& before = side.points[side.points.size() - 2];
        const double slope = (last.root - before.root) / std::fabs(last.value - before.value);
        reach = slope > 0 ? here + 1.02 * (1 - last.root) / slope : infinity;
        if (reach > kWidest * here) {
          reach = kWidest * here;
          if (++side.widenings > kMostWidenings) return end(side, EndKind::open, side.sign * infinity);
        }
      }
      to = side.points[0].value + side.sign * reach;
      if (side.stride <= kNoFurther * std::max(here, 1e-3 * request_.step[side.quantity])) return end(side, EndKind::infeasible, last.value);
      if (side.sign * (to - last.value) > side.stride) to = last.value + side.sign * side.stride;
    }
    if (side.sign * (to - limit(side)) > 0) to = limit(side);
    side.tried = to;
  }

  // Inside a bracket: regula falsi that halves the weight of an end that stays. Amplitudes run
  // over orders of magnitude: along their logarithms.
  static double between(const Side& side, const Side::Point& in, const Side::Point& out) {
    const double f = side.inner_weight * (1 - in.root), g = side.outer_weight * (out.root - 1);
    const double share = side.rounds % 8 == 7 ? 0.5 : std::clamp(f / (f + g), 0.01, 0.99);
    const bool powers = in.value * out.value > 0 && std::max(std::fabs(in.value), std::fabs(out.value)) > 1.5 * std::min(std::fabs(in.value), std::fabs(out.value));
    return powers ? in.value * std::pow(out.value / in.value, share) : in.value + share * (out.value - in.value);
  }
  static void weigh(Side& side, bool inner) {
    const int now = inner ? -1 : 1;
    double& other = inner ? side.outer_weight : side.inner_weight;
    other = side.replaced == now ? 0.5 * other : 1;
    (inner ? side.inner_weight : side.outer_weight) = 1;
    side.replaced = now;
  }
  const Side::Point& inner(const Side& side) const { return side.points[side.outer < 0 ? side.points.size() - 1 : side.outer - 1]; }

  void answer(Side& side, const ConstrainedJob& job) {
    if (!job.solved) return retreat(side);
    result_best(job.objective, side.quantity);
    const double rise = (job.objective - base_) / request_.rise[side.quantity];
    const Side::Point point{side.tried, std::copysign(std::sqrt(std::fabs(rise)), rise), job.objective, {job.parameters, job.parameters + p_}, job.numbers};
    if (std::fabs(point.root - 1) <= kClose) {
      insert(side, point);
      return end(side, EndKind::closed, point.value);
    }
    if (point.root > kStrayed) return retreat(side);
    if (!side.stumbled) side.stride *= 2;
    side.stumbled = false;
    insert(side, point);
    weigh(side, point.root < 1);
    if (side.outer < 0) return;
    const Side::Point &in = inner(side), &out = side.points[side.outer];
    const double width = std::fabs(out.value - in.value) / std::fabs(out.value - side.points[0].value);
    if (width <= kNarrow && out.root - in.root > kJump && side.torn < kMostTears) return tear(side);
    if (width <= 1e-9) end(side, EndKind::closed, point.value);
  }

  // What was tried is not on the path from the optimum: no solution there, or one far up on another
  // branch, such as an amplitude of the other sign. Next time a shorter way, from this side only.
  void retreat(Side& side) const {
    if (side.outer >= 0) drop_outer(side);
    side.stride = 0.5 * std::min(side.stride, std::fabs(side.tried - inner(side).value));
    side.stumbled = true;
  }

  // The bracket's ends lie on two branches: along the inner one again, from where its points are apart.
  void tear(Side& side) const {
    const double from = side.points[0].value, reached = std::fabs(inner(side).value - from);
    drop_outer(side);
    while (side.points.size() > 1 && std::fabs(side.points.back().value - from) > (1 - 10 * kNarrow) * reached) side.points.pop_back();
    ++side.torn;
    side.stride = 2 * kNarrow * reached;
  }
  static void drop_outer(Side& side) {
    side.points.resize(side.outer);
    side.outer = -1;
    side.replaced = 0;
    side.inner_weight = side.outer_weight = 1;
  }

  static void insert(Side& side, const Side::Point& point) {
    auto at = std::upper_bound(side.points.begin(), side.points.end(), point, [&](const Side::Point& a, const Side::Point& b) {
      return side.sign * a.value < side.sign * b.value;
    });
    side.points.insert(at, point);
    side.outer = -1;
    for (size_t k = 0; k < side.points.size(); ++k)
      if (side.points[k].root > 1) { side.outer = static_cast<int>(k); break; }
  }

  static void end(Side& side, EndKind kind, double at) {
    side.done = true;
    side.kind = kind;
    side.end = at;
  }

  // Parameters near the constrained optimum, along the path through the nearest points, and the
  // numbers of one of these.
  LossNumbers guess(const Side& side, double value, double* out) const {
    const auto& points = side.points;
    size_t after = 0;
    while (after < points.size() && side.sign * (points[after].value - value) < 0) ++after;
    if (after == 0) after = 1;
    if (points.size() == 1) {
      for (int i = 0; i < p_; ++i) out[i] = clamp(i, request_.fitted[i] + (value - points[0].value) * request_.tangent[side.quantity * p_ + i]);
      return points[0].numbers;
    }
    after = std::min(after, points.size() - 1);
    const Side::Point &a = points[after - 1], &b = points[after];
    const double share = (value - a.value) / (b.value - a.value);
    for (int i = 0; i < p_; ++i) {
      const double x = a.parameters[i], y = b.parameters[i];
      // Amplitudes run over orders of magnitude: along their logarithms.
      const bool powers = x > 0 && y > 0 && std::max(x, y) > 1.5 * std::min(x, y);
      out[i] = clamp(i, powers ? x * std::pow(y / x, share) : x + share * (y - x));
    }
    return share < 0.5 ? a.numbers : b.numbers;
  }
  double clamp(int i, double v) const { return std::clamp(v, request_.lower[i], request_.upper[i]); }

  void solve(std::vector<ConstrainedJob>& jobs) {
    if (joint_) joint_->run(jobs);
    else solve_at_numbers(jobs);
  }
  void solve_at_numbers(std::vector<ConstrainedJob>& jobs) {
    const int64_t lanes = solvers_[0]->lanes(), batches = (static_cast<int64_t>(jobs.size()) + lanes - 1) / lanes;
    std::atomic<int64_t> next{0};
    const int workers = static_cast<int>(std::min<int64_t>(batches, static_cast<int64_t>(solvers_.size())));
    auto work = [&](int w) {
      for (int64_t b = next++; b < batches && !cancelled_; b = next++)
        solvers_[w]->run(&jobs[b * lanes], static_cast<int>(std::min<int64_t>(lanes, static_cast<int64_t>(jobs.size()) - b * lanes)), cancelled_);
    };
    run_workers(workers, work, options_.polls([&] { return next.load(); }, batches), cancelled_);
  }

  // Evenly spaced points between the optimum and each end that is somewhere.
  void fill_grid(std::vector<std::vector<Side::Point>>& extra) {
    std::vector<ConstrainedJob> jobs;
    std::vector<double> starts(sides_.size() * request_.points * p_);
    for (size_t s = 0; s < sides_.size(); ++s) {
      const Side& side = sides_[s];
      const double from = side.points[0].value, to = std::isfinite(side.end) ? side.end : open_reach(side);
      for (int k = 1; k <= request_.points; ++k) {
        double* start = &starts[(s * request_.points + k - 1) * p_];
        const double value = from + (to - from) * k / request_.points;
        if (value == from) continue;
        const LossNumbers numbers = guess(side, value, start);
        jobs.push_back({side.quantity, value, kEnough * request_.rise[side.quantity], start, numbers});
      }
    }
    if (!jobs.empty()) solve(jobs);
    for (const ConstrainedJob& job : jobs)
      if (job.solved) {
        extra[job.quantity].push_back({job.value, 0, job.objective, {job.parameters, job.parameters + p_}, job.numbers});
        result_best(job.objective, job.quantity);
      }
  }
  // How far to draw a side that never ends: a few first steps.
  double open_reach(const Side& side) const {
    const double far = side.points.back().value, from = side.points[0].value;
    return from + side.sign * std::min(std::fabs(far - from), 4 * request_.step[side.quantity]);
  }

  void result_best(double objective, int64_t q) {
    if (result_.best.empty()) result_.best.assign(request_.quantities, base_);
    result_.best[q] = std::min(result_.best[q], objective);
  }

  void gather(std::vector<std::vector<Side::Point>>& extra) {
    const int64_t n = request_.quantities;
    if (result_.best.empty()) result_.best.assign(n, base_);
    result_.paths.resize(n);
    for (auto* v : {&result_.low, &result_.high}) v->assign(n, not_a_number);
    for (auto* v : {&result_.low_kind, &result_.high_kind}) v->assign(n, static_cast<int8_t>(EndKind::open));
    for (const Side& side : sides_) {
      (side.sign < 0 ? result_.low : result_.high)[side.quantity] = side.end;
      (side.sign < 0 ? result_.low_kind : result_.high_kind)[side.quantity] = static_cast<int8_t>(side.kind);
      auto& points = extra[side.quantity];
      points.insert(points.end(), side.points.begin() + (side.sign < 0), side.points.end());   // the optimum once
    }
    for (int64_t q = 0; q < n; ++q) {
      std::sort(extra[q].begin(), extra[q].end(), [](const Side::Point& a, const Side::Point& b) { return a.value < b.value; });
      for (const Side::Point& point : extra[q]) {
        result_.paths[q].value.push_back(point.value);
        result_.paths[q].objective.push_back(point.objective);
        result_.paths[q].parameters.insert(result_.paths[q].parameters.end(), point.parameters.begin(), point.parameters.end());
      }
    }
  }

  const ProfileRequest& request_;
  const FitOptions& options_;
  const int p_;
  TableData table_, quantity_table_;
  double base_;
  std::vector<std::unique_ptr<ConstrainedSolver>> solvers_;
  std::unique_ptr<ConstrainedJointFits> joint_;   // null unless the loss has numbers to estimate
  std::vector<Side> sides_;
  ProfileTable result_;
  Cancellation cancelled_;
};
}  // namespace

ProfileTable profile(const CompiledLaw& law, const CompiledLaw& quantity, const QuantityView& quantities, const ProfileRequest& request,
                     const FitOptions& options) {
  return ProfileCall(law, quantity, quantities, request, options).run();
}

}  // namespace lawfit
