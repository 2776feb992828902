// Fits of kinked losses: their optima lie close together, and which is the lowest shows only once
// the kinks are as sharp as the loss's own.
#include <algorithm>
#include <cmath>

#include "group_fits.hpp"
#include "kink_polish.hpp"
#include "neighbours.hpp"
#include "stages.hpp"

namespace lawfit {

namespace {
constexpr double kSharpens = 0.02;         // that sharper kinks may take off an end
constexpr int kMostSharpened = 16;         // ends that are looked at
constexpr int kNeighbours = 16;            // of the best end that are looked at, again where one is lower
constexpr int kMostLooks = 6;
}  // namespace

void GroupFits::look_beside() {
  for (int look = 0; look < kMostLooks && look_beside_once(look); ++look) {}
}

// Beside an optimum of a kinked loss there may be lower ones, where it bends at other rows: down they
// lead step by step. Of very many rows one more or less makes no difference.
bool GroupFits::look_beside_once(int look) {
  Starts starts = no_starts();
  std::vector<double> beside(static_cast<size_t>(kNeighbours) * p_);
  for (int64_t g = 0; g < request_.groups; ++g) {
    if (!usable_[g] || cancelled_ || count(g) >= kPointsLayout || (look > 0 && !(took_part(g) && improved(g)))) continue;
    const Outcome& o = *best(g, lowest(g));
    const RowView range = rows_of(g);
    const uint64_t seed = options_.seed + static_cast<uint64_t>(look);
    if (!std::isfinite(o.objective) || !draw_neighbours(rows_, range, o.parameters, request_.lower, request_.upper, seed, kNeighbours, beside.data())) continue;
    std::copy(beside.begin(), beside.end(), add(starts, g, kNeighbours));
  }
  if (starts.values.empty()) return false;
  settle_from(std::move(starts));
  return true;
}

// Which end is the lowest shows once its kinks are as sharp as the loss's own. Those that end close to
// the best are looked at in this order; `values` receives the parameters.
Outcome GroupFits::sharpest_end(int64_t g, const Outcome& best, double* values) {
  std::vector<const Outcome*> ends{&best};
  const double limit = best.objective * (1 + kSharpens);
  each_outcome(g, [&](const Outcome& o) { if (fitted(o.status) && o.objective <= limit) ends.push_back(&o); });
  std::stable_sort(ends.begin() + 1, ends.end(), [](const Outcome* a, const Outcome* b) { return a->objective < b->objective; });
  Outcome lowest = best;
  std::vector<double> at(static_cast<size_t>(p_));
  double last = -infinity;
  int looked = 0;
  for (const Outcome* end : ends) {
    if (looked > 0 && !(end->objective > last * (1 + kSameBasin))) continue;   // the same end again
    last = end->objective;
    std::copy_n(end->parameters, p_, at.data());
    const Polished polished = polish_kinks(rows_, request_.objective, request_.lower, request_.upper, begin(g), count(g), end->gradient_norm, at.data());
    if (looked == 0 || polished.objective < lowest.objective * (1 - kTie)) {
      lowest = *end;
      lowest.objective = polished.objective;
      lowest.gradient_norm = polished.gradient_norm;
      std::copy_n(at.data(), p_, values);
    }
    if (++looked == kMostSharpened) break;
  }
  return lowest;
}

// Kinks are smoothed on the way, which may lead from a start that is lower than all ends to a higher
// one: then the nearest optimum to that start, which is left without smoothing, is the answer.
void GroupFits::lower_start(int64_t g, Outcome& lowest, double* values) {
  const RowView range = rows_of(g);
  const double *own = given(g), *start = nullptr;
  double least = lowest.objective * (1 - kTie);
  for (int64_t s = 0; s < starts_; ++s) {
    const double* at = own + s * p_;
    bool inside = true;
    for (int k = 0; k < p_; ++k) inside &= at[k] >= request_.lower[k] && at[k] <= request_.upper[k];
    const double f = inside ? rows_.objective(at, range) : infinity;
    if (f < least) { least = f; start = at; }
  }
  if (!start) return;
  std::copy_n(start, p_, values);
  const Polished polished = polish_kinks(rows_, request_.objective, request_.lower, request_.upper, begin(g), count(g), lowest.gradient_norm, values);
  lowest.objective = polished.objective;
  lowest.gradient_norm = polished.gradient_norm;
  lowest.moved = !std::equal(start, start + p_, values);
}

}  // namespace lawfit
