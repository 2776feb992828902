// What is said of a group once all of its starts have ended: the best end, taken further where the lanes
// could not, its status, and how the others did.
#include <algorithm>
#include <cmath>

#include "clock.hpp"
#include "covariance.hpp"
#include "domain_edge.hpp"
#include "group_fits.hpp"
#include "valley.hpp"

namespace lawfit {

namespace {
constexpr double kFlatGradient = 1e-6;     // scale-free gradient of a start that need not move
constexpr double kLeastSize = 1e-290;       // parameters smaller, or larger than its inverse, may not be representable together
bool doubtful(const Outcome& o) { return o.status == Status::stalled || o.status == Status::iteration_limit || !(o.inverse_trace < kSoundInverse); }
bool an_end(Status s) { return fitted(s) || s == Status::stalled || s == Status::iteration_limit || s == Status::not_identified; }
}  // namespace

Status GroupFits::own_status(const Outcome& o) const {   // jobs never reached before the deadline are still marked cancelled
  return o.status == Status::cancelled && !cancelled_ ? Status::time_limit : o.status;
}

void GroupFits::reduce_starts(int64_t g, int64_t row, double low, FitTable& out) const {
  const double limit = basin_limit(g, low);
  double second = infinity;
  int32_t iterations = 0, converged = 0;
  int64_t k = 0, inside = 0;
  each_outcome(g, [&](const Outcome& o) {
    iterations += o.iterations;
    converged += fitted(o.status);
    const double f = finite_objective(o);
    if (f <= limit) ++inside;
    else second = std::min(second, f);
    if (const int64_t s = row * out.starts + k; k++ < starts_ && options_.keep_starts) {
      std::copy_n(o.parameters, p_, &out.start_values[s * p_]);
      out.start_objective[s] = o.objective;
      out.start_status[s] = static_cast<int8_t>(own_status(o));
    }
  });
  out.iterations[row] = iterations;
  out.n_starts[row] = static_cast<int32_t>(k);
  out.n_converged[row] = converged;
  out.best_share[row] = static_cast<double>(inside) / static_cast<double>(std::max<int64_t>(k, 1));
  if (std::isfinite(second)) out.second_objective[row] = second;
}

void GroupFits::reduce_group(int64_t g, int64_t row, double low, FitTable& out) {
  Outcome o = *best(g, low);
  double* values = &out.values[row * p_];
  std::copy_n(o.parameters, p_, values);
  if (has_kink(problem_.loss)) {
    if (std::isfinite(o.objective)) o = sharpest_end(g, o, values);
    if (std::isfinite(o.objective) && request_.starts.given) lower_start(g, o, values);
  } else if (doubtful(o)) {
    out.iterations[row] += go_on(g, o, values);
  }
  int8_t* active = &out.active[row * p_];
  for (int k = 0; k < p_; ++k)
    active[k] = bound_side(values[k], request_.lower[k], request_.upper[k]);
  out.objective[row] = o.objective;
  out.gradient_norm[row] = o.gradient_norm;
  out.moved[row] = o.moved;
  out.status[row] = static_cast<int8_t>(certified(g, o, values, active, &out.tradeoff[row * p_ * p_]));
}

// From an end that the lanes' arithmetic may not have been good enough for. Returns the steps made.
int32_t GroupFits::go_on(int64_t g, Outcome& o, double* values) {
  if (!std::isfinite(o.objective) || !an_end(o.status)) return 0;
  const RowView range = rows_of(g);
  int32_t steps = 0;
  if (problem_.priors.empty()) {
    std::vector<double> at(values, values + p_);
    const bool moved = !fitted(o.status) && reach_domain_edge(rows_, problem_, range, at.data());
    const double deadline = options_.limits.deadline;
    const auto stop = [&] { return cancelled_.after(range.count) || (deadline > 0 && now_seconds() > deadline); };
    const ValleyEnd end = follow_valley(rows_, problem_, range, moved ? rows_.objective(at.data(), range) : o.objective, at.data(), options_.limits.finish_iterations, stop);
    steps = end.steps;
    if (steps > 0 && end.objective <= o.objective) {
      std::copy_n(at.data(), p_, values);
      o.objective = end.objective;
      o.gradient_norm = end.gradient_norm;
      o.moved = true;
      o.status = end.arrived ? Status::not_identified : Status::iteration_limit;   // unless the certificate knows better
    }
  }
  if (o.status == Status::stalled && !std::isfinite(rows_.objective(values, range))) o.objective = leave_domain_edge(rows_, problem_, range, values);
  return steps;
}

// The status of the optimum, once its parameters are known to be determined by the data.
Status GroupFits::certified(int64_t g, const Outcome& o, const double* values, const int8_t* active, uint8_t* tradeoff) {
  Status status = own_status(o);
  const bool extreme = std::any_of(values, values + p_, [](double v) { return v != 0 && (std::fabs(v) < kLeastSize || std::fabs(v) > 1 / kLeastSize); });
  // The centred law may have a value where the natural parameters over- or underflow.
  if (fitted(status) && extreme && !std::isfinite(rows_.objective(values, rows_of(g)))) return Status::not_finite;
  if (!std::isfinite(o.objective) && status == Status::converged) status = Status::not_finite;
  if (status == Status::stalled && !o.moved && o.gradient_norm > kFlatGradient) status = Status::did_not_move;
  if (!an_end(status) || !(doubtful(o) || status == Status::not_identified)) return status;
  if (find_tradeoffs(rows_, problem_, values, active, rows_of(g), tradeoff)) return Status::not_identified;
  return status == Status::not_identified ? settled_status(active) : status;
}

Status GroupFits::settled_status(const int8_t* active) const {
  return std::any_of(active, active + p_, [](int8_t a) { return a != 0; }) ? Status::converged_at_bound : Status::converged;
}

}  // namespace lawfit
