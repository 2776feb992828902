// Curves through a few rows, drawn at random, are starts of their own. Losses that forget rows may have
// their lowest optimum where the law agrees with a few alone, those that bend sharply have all of theirs
// where it goes through as many as there are parameters, and few rows leave any law many optima: hardly
// a start that looks at all rows finds some of them.
#include <algorithm>
#include <cmath>

#include "draws.hpp"
#include "group_fits.hpp"

namespace lawfit {

namespace {
constexpr int kSets = 64, kSetsOfLong = 24;   // of rows in a look, in one at a long table
constexpr int kLeastLooks = 2;         // where the loss brings optima; more while a look finds a lower one
constexpr int kMostLooks = 8;
constexpr int64_t kVeryFewRows = 16;   // all of these looks are worth while where the loss forgets some of so few
constexpr int kMoreRows = 3;           // sets have as many rows as there are parameters, one more, or two
constexpr double kSureShare = 0.75;    // of the starts in the best basin
constexpr uint64_t kOwnStream = 0xFE3;
}  // namespace

int GroupFits::sets(int64_t g) const { return count(g) > kLongTable ? kSetsOfLong : kSets; }

void GroupFits::look_through_few_rows() {
  for (int look = 0; look < kMostLooks && look_through_few_rows_once(look); ++look) {}
}

bool GroupFits::look_through_few_rows_once(int look) {
  std::vector<int64_t> groups;
  for (int64_t g = 0; g < request_.groups; ++g)
    if (usable_[g] && !cancelled_ && (look == 0 ? few_may_count(g) : worth_another_look(g, look))) groups.push_back(g);
  if (groups.empty()) return false;
  settle_from(curves_through_few_rows(groups, look));
  return true;
}

bool GroupFits::few_may_count(int64_t g) const {
  const double low = lowest(g);
  if (!std::isfinite(low) || count(g) >= kPointsLayout || count(g) < p_ + kMoreRows) return false;
  const RowView range = rows_of(g);
  if (forgets(problem_.loss)) return count(g) <= kFewRows || rows_.typical_residual(range, low) > rows_.numbers(range).scale;
  if (count(g) > kFewRows) return false;
  return rows_.bends_sharply(range, low) || (source_.nonlinear() >= kRuggedDimensions && share(g, low) < kSureShare);
}

bool GroupFits::worth_another_look(int64_t g, int look) const {
  const bool rugged = problem_.loss != Loss::squared && count(g) <= kFewRows;
  const int least = forgets(problem_.loss) && count(g) <= kVeryFewRows ? kMostLooks : kLeastLooks;
  return took_part(g) && ((rugged && look < least) || improved(g));
}

// Least squares of sets of rows.
GroupFits::Starts GroupFits::curves_through_few_rows(const std::vector<int64_t>& groups, int look) {
  const auto sum = [&](const auto& of) { int64_t n = 0; for (int64_t g : groups) n += of(g); return static_cast<size_t>(n); };
  std::vector<double> weights(sum([&](int64_t g) { return sets(g) * count(g); })), from(sum([&](int64_t g) { return sets(g) * p_; }));
  std::vector<Job> jobs;
  double *weight = weights.data(), *at = from.data();
  for (int64_t g : groups) {
    starts_through_few_rows(g, look, at);
    for (int k = 0; k < sets(g); ++k, weight += count(g), at += p_) {
      Draws draws(options_.seed + kOwnStream + static_cast<uint64_t>(look), k);
      draw_rows(g, draws, p_ + k % kMoreRows, weight);
      jobs.push_back({begin(g), count(g), weight, at, 0, kSharpest * typical_[g]});
      jobs.back().own = request_.own_of(g);
    }
  }
  Problem through = problem_;
  through.loss = Loss::squared;
  Descent descent(through, table_, rows_, options_, cancelled_);
  descent.refit(std::move(jobs));
  Starts curves = no_starts();
  const Outcome* end = descent.outcomes().data();
  for (int64_t g : groups) {
    double* start = add(curves, g, sets(g));
    for (int k = 0; k < sets(g); ++k, ++end, start += p_) std::copy_n(end->parameters, p_, start);
  }
  return curves;
}

// Half of the sets start from ends that have been found, half from anywhere.
void GroupFits::starts_through_few_rows(int64_t g, int look, double* out) {
  const int anywhere = source_.plain(g, sets(g) / 2, out);
  std::vector<const double*> ends;
  each_outcome(g, [&](const Outcome& o) { if (std::isfinite(o.objective)) ends.push_back(o.parameters); });
  Draws draws(options_.seed + kOwnStream + static_cast<uint64_t>(look), kSets);
  for (int k = anywhere; k < sets(g); ++k)
    std::copy_n(ends[static_cast<size_t>(draws.below(static_cast<int64_t>(ends.size())))], p_, out + k * p_);
}

// As weights: the rows' own, or zero.
void GroupFits::draw_rows(int64_t g, Draws& draws, int64_t number, double* weight) const {
  const int64_t most = 20 * number;   // draws, should hardly a row have any weight
  for (int64_t drawn = 0, tries = 0; drawn < number && tries < most; ++tries) {
    const int64_t r = draws.below(count(g));
    const double own = table_.weight.empty() ? 1.0 : table_.weight[begin(g) + r];
    if (weight[r] != 0 || !(own > 0)) continue;
    weight[r] = own;
    ++drawn;
  }
}

}  // namespace lawfit
