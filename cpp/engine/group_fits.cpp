#include "group_fits.hpp"

#include <algorithm>
#include <cmath>

#include "covariance.hpp"
#include "group.hpp"

namespace lawfit {

namespace {
constexpr double kUnseen = 0.02;           // chance of a start to find an optimum not seen yet, above which more are made
constexpr double kUnseenOfMany = 0.005;    // the same where the loss itself brings optima
constexpr int64_t kWave = 12;              // automatic starts of a long table that go down together
constexpr int kHopRounds = 24;             // further searches at most
constexpr int kHopsDownhill = 5;           // while they find better ones
constexpr int kHopsFromNowhere = 6;        // where the lowest objective is at no optimum
constexpr int kHopDimensions = 1;          // nonlinear parameters from which there is anything to search
constexpr double kRareBasin = 0.4;         // share of starts below which the best optimum may not be the last word
}  // namespace

GroupFits::GroupFits(const CompiledLaw& law, const FitRequest& request, const FitOptions& options, Cancellation& cancelled)
    : request_(request), options_(options), cancelled_(cancelled), p_(law.centred.parameters),
      problem_(make_problem(law, request.objective, request.lower, request.upper)),
      table_(prepare_table(law, request.table, request.objective.space)),
      rows_(law, request.table, request.objective, longest_group(request.offsets, request.groups)), law_rows_(law.least_rows()), source_(law, request, table_, options.seed) {
  // Kinks are approached through a dozen scales.
  if (has_kink(request.objective.loss)) options_.limits.finish_iterations *= 4;
  usable_.resize(static_cast<size_t>(request.groups));
  typical_.resize(usable_.size());
  for (int64_t g = 0; g < request.groups; ++g) {
    usable_[g] = usable(g);
    typical_[g] = typical_size(table_, begin(g), count(g));
  }
}

void GroupFits::run(FitTable& out) {
  starts_ = request_.starts.given ? request_.starts.count : source_.automatic_count();
  problem_.leaps = !request_.starts.given;
  problem_.retraces = starts_ < static_cast<int64_t>(kManyStarts);
  if (request_.starts.given) descend_given();
  else for (int64_t number = 0; descend_wave(number); ++number) {}
  if (searches()) search_on();
  for (int64_t g = 0; g < request_.groups; ++g) {
    const int64_t row = request_.row(g);
    if (!usable_[g]) {
      out.leave_out(row, Status::too_few_points);
      continue;
    }
    const double low = lowest(g);
    reduce_starts(g, row, low, out);
    reduce_group(g, row, low, out);
  }
}

// Further starts, from what the automatic ones found.
void GroupFits::search_on() {
  look_anywhere();
  for (int round = 0; round < kHopRounds && hop(round); ++round) {}
  look_through_few_rows();
  if (has_kink(problem_.loss)) look_beside();
}

// Few rows leave a law many optima, and the lowest starts need not lie in the lowest one's basin.
void GroupFits::look_anywhere() {
  if (source_.nonlinear() < kRuggedDimensions) return;
  Starts starts = no_starts();
  for (int64_t g = 0; g < request_.groups; ++g)
    if (usable_[g] && !cancelled_.after(count(g)) && count(g) <= kFewRows) source_.plain(g, static_cast<int>(starts_), add(starts, g, starts_));
  if (!starts.values.empty()) descend_from(std::move(starts));
}

bool GroupFits::usable(int64_t g) const {
  int64_t informative = count(g);
  if (!table_.weight.empty())
    informative = std::count_if(table_.weight.begin() + begin(g), table_.weight.begin() + begin(g) + count(g), [](double w) { return w > 0; });
  return informative >= law_rows_;
}

const double* GroupFits::given(int64_t g) const {
  const StartRequest& starts = request_.starts;
  return starts.given + (starts.sets ? request_.number(g) % starts.sets * starts_ * p_ : 0);
}

double* GroupFits::add(Starts& starts, int64_t g, int64_t n) const {
  starts.count[g] = n;
  starts.values.resize(starts.values.size() + static_cast<size_t>(n * p_));
  return starts.values.data() + starts.values.size() - n * p_;
}

void GroupFits::descend(Starts starts, const Go& go) {
  Round round{std::make_unique<Descent>(problem_, table_, rows_, options_, cancelled_), std::vector<int64_t>(usable_.size() + 1)};
  std::vector<RowRange> ranges(starts.values.size() / static_cast<size_t>(p_));
  auto range = ranges.begin();
  for (int64_t g = 0; g < request_.groups; ++g) {
    range = std::fill_n(range, starts.count[g], RowRange{begin(g), count(g), typical_[g], request_.own_of(g)});
    round.first[g + 1] = round.first[g] + starts.count[g];
  }
  go(*round.descent, ranges, std::move(starts.values));
  rounds_.push_back(std::move(round));
}

void GroupFits::descend_from(Starts starts) {
  descend(std::move(starts), [](Descent& descent, const std::vector<RowRange>& ranges, std::vector<double> own) { descent.run(ranges, std::move(own), {}); });
}

void GroupFits::settle_from(Starts starts) {
  descend(std::move(starts), [](Descent& descent, const std::vector<RowRange>& ranges, std::vector<double> own) { descent.settle(ranges, std::move(own)); });
}

// Long tables leave most laws one optimum: no more of their starts go down once some have agreed.
int64_t GroupFits::wave(int64_t g) const {
  return searches() && !options_.keep_starts && count(g) > kLongTable ? std::min(kWave, starts_) : starts_;
}

void GroupFits::descend_given() {
  Starts starts = no_starts();
  const size_t taking_part = static_cast<size_t>(std::count(usable_.begin(), usable_.end(), 1) * starts_);
  std::vector<const double*> from(taking_part);
  starts.values.resize(taking_part * static_cast<size_t>(p_));
  double* values = starts.values.data();
  auto start = from.begin();
  for (int64_t g = 0; g < request_.groups; ++g) {
    if (!usable_[g]) continue;
    const double* own = given(g);
    starts.count[g] = starts_;
    for (int64_t s = 0; s < starts_; ++s) *start++ = own + s * p_;
    double* end = std::copy_n(own, starts_ * p_, values);
    if (!cancelled_.after(count(g))) source_.project(g, starts_, values, options_.threads);
    values = end;
  }
  descend(std::move(starts), [&](Descent& descent, const std::vector<RowRange>& ranges, std::vector<double> own) { descent.run(ranges, std::move(own), from); });
}

// A wave of automatic starts, for those groups that need it.
bool GroupFits::descend_wave(int64_t number) {
  constexpr int64_t kScreening = 64;   // times that automatic starts go over the rows, about
  Starts starts = no_starts();
  for (int64_t g = 0; g < request_.groups; ++g) {
    const int64_t each = wave(g), left = starts_ - number * each;
    if (!usable_[g] || left <= 0 || (number > 0 && (!took_part(g) || agreed(g)))) continue;
    double* values = add(starts, g, std::min(each, left));
    if (!cancelled_.after(count(g) * kScreening)) source_.automatic(g, number, each, values);
  }
  if (starts.values.empty()) return false;
  descend_from(std::move(starts));
  return true;
}

// On one optimum, or on some that hardly leave another to be expected.
bool GroupFits::agreed(int64_t g) {
  const double low = lowest(g);
  if (!std::isfinite(low) || at_no_optimum(g, *best(g, low))) return false;
  const int64_t optima = optima_seen(g, low);
  return optima > 0 && !another_likely(g, low, optima);
}

// Where few starts share the best optimum, others around it may be better still; where the best is
// none, or where starts keep finding new optima, others anywhere may.
bool GroupFits::hop(int round) {
  if (source_.nonlinear() < kHopDimensions || cancelled_) return false;
  Starts starts = no_starts();
  for (int64_t g = 0; g < request_.groups; ++g) {
    if (!usable_[g] || (round > 0 && !took_part(g))) continue;
    const double low = lowest(g);
    const Outcome& o = *best(g, low);
    if (!std::isfinite(low)) continue;
    const bool nowhere = round < kHopsFromNowhere && at_no_optimum(g, o);
    if (!nowhere && !promising(g, low, round)) continue;
    const bool anywhere = round > 0 && (nowhere || round % 2 == 1);
    source_.more(g, anywhere ? nullptr : o.parameters, round, wave(g), add(starts, g, wave(g)));
  }
  if (starts.values.empty()) return false;
  descend_from(std::move(starts));
  return true;
}

bool GroupFits::promising(int64_t g, double low, int round) {
  if (round == 0 ? share(g, low) < kRareBasin : round < kHopsDownhill && improved(g)) return true;
  return another_likely(g, low, optima_seen(g, low));
}

// Nor at one of which a parameter says that the data have lost hold of it.
bool GroupFits::at_no_optimum(int64_t g, const Outcome& o) {
  if (o.status == Status::not_identified || o.status == Status::stalled) return true;
  return fitted(o.status) && !(o.inverse_trace < kSoundInverse) && source_.any_on_edge(g, o.parameters);
}

// Did the last round of hops, which the group took part in, lower the objective?
bool GroupFits::improved(int64_t g) const {
  double before = infinity, after = infinity;
  const Outcome* last = rounds_.back().outcomes(g);
  each_outcome(g, [&](const Outcome& o) {
    double& side = &o >= last && &o < last + rounds_.back().count(g) ? after : before;
    side = std::min(side, finite_objective(o));
  });
  return after < before * (1 - kSameBasin);
}

double GroupFits::lowest(int64_t g) const {
  double f = infinity;
  each_outcome(g, [&](const Outcome& o) { f = std::min(f, finite_objective(o)); });
  return f;
}

// Of the lowest objectives the one with the least gradient, fitted ones before others.
const Outcome* GroupFits::best(int64_t g, double low) const {
  const Round& round = rounds_.front();
  if (rounds_.size() == 1 && round.count(g) == 1) return round.outcomes(g);   // nothing to choose
  const double limit = low * (1 + kTie);
  const Outcome* best = nullptr;
  each_outcome(g, [&](const Outcome& o) {
    if (finite_objective(o) > limit) return;
    const bool nearer = best && fitted(o.status) == fitted(best->status) && o.gradient_norm < best->gradient_norm;
    if (!best || nearer || (fitted(o.status) && !fitted(best->status))) best = &o;
  });
  return best;
}

// Objectives up to this belong to the best optimum; the last term is rounding.
double GroupFits::basin_limit(int64_t g, double low) const {
  return low * (1 + kSameBasin) + 1e-28 * typical_[g] * typical_[g] * static_cast<double>(count(g));
}

double GroupFits::share(int64_t g, double low) const {
  const double limit = basin_limit(g, low);
  int64_t inside = 0, all = 0;
  each_outcome(g, [&](const Outcome& o) {
    inside += finite_objective(o) <= limit;
    ++all;
  });
  return static_cast<double>(inside) / static_cast<double>(std::max<int64_t>(all, 1));
}

bool GroupFits::cornered(int64_t g, double low) { return rows_.bends_sharply(rows_of(g), low); }

int64_t GroupFits::optima_seen(int64_t g, double low) {
  const bool any_end = cornered(g, low);
  ends_.clear();
  each_outcome(g, [&](const Outcome& o) {
    if (fitted(o.status) && (any_end || o.inverse_trace < kSoundInverse)) ends_.push_back(o.objective);   // along a flat valley every end is another
  });
  std::sort(ends_.begin(), ends_.end());
  int64_t optima = 0;
  double last = -infinity;
  const double rounding = basin_limit(g, low) - low * (1 + kSameBasin);
  for (double f : ends_) {
    optima += f > last * (1 + kSameBasin) + rounding;
    last = f;
  }
  return optima;
}

// One alone raises no doubt. Of starts that find each optimum in proportion to the size of its basin,
// with nothing known about the sizes, `chance` is that of one more to find a new optimum (Boender and
// Rinnooy Kan 1987).
bool GroupFits::another_likely(int64_t g, double low, int64_t optima) {
  double n = 0;
  each_outcome(g, [&](const Outcome&) { ++n; });
  const double w = static_cast<double>(optima), chance = w * (w + 1) / (n * (n - 1));
  const double least = forgets(problem_.loss) || cornered(g, low) ? kUnseenOfMany : kUnseen;
  return optima > 1 && chance > least;
}

}  // namespace lawfit
