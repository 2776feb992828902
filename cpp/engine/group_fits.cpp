#include "group_fits.hpp"

#include <algorithm>
#include <cmath>

#include "covariance.hpp"
#include "group.hpp"

namespace lawfit {

namespace {
constexpr double kUnseen = 0.02;           // chance of a start to find an optimum not seen yet, above which more are made
constexpr double kUnseenOfMany = 0.005;    // the same where the loss itself brings optima
constexpr int kHopRounds = 24;             // further searches at most
constexpr int kHopsDownhill = 5;           // while they find better ones
constexpr int kHopsFromNowhere = 3;        // where the lowest objective is at no optimum
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
  make_starts();
  descend_all();
  if (!request_.starts.given && !request_.starts.asked && request_.starts.one_in == 1) search_on();
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
  std::vector<int64_t> groups;
  std::vector<double> starts;
  for (int64_t g = 0; g < request_.groups; ++g) {
    if (!usable_[g] || cancelled_.after(count(g)) || count(g) > kFewRows) continue;
    groups.push_back(g);
    starts.resize(starts.size() + static_cast<size_t>(starts_ * p_));
    source_.plain(g, static_cast<int>(starts_), &starts[starts.size() - static_cast<size_t>(starts_ * p_)]);
  }
  if (!groups.empty()) descend_from(groups, std::move(starts));
}

bool GroupFits::usable(int64_t g) const {
  int64_t informative = count(g);
  if (!table_.weight.empty())
    informative = std::count_if(table_.weight.begin() + begin(g), table_.weight.begin() + begin(g) + count(g), [](double w) { return w > 0; });
  return informative >= law_rows_;
}

const double* GroupFits::given(int64_t g, int64_t s) const {
  const StartRequest& starts = request_.starts;
  return starts.given + ((starts.sets ? request_.number(g) % starts.sets * starts_ : 0) + s) * p_;
}

void GroupFits::make_starts() {
  constexpr int64_t kScreening = 64;   // times that automatic starts go over the rows, about
  const int64_t passes = request_.starts.given ? 1 : kScreening;
  start_values_.assign(static_cast<size_t>(request_.groups * starts_ * p_), 0.0);
  for (int64_t g = 0; g < request_.groups; ++g) {
    double* values = &start_values_[g * starts_ * p_];
    if (request_.starts.given) std::copy_n(given(g, 0), starts_ * p_, values);
    if (!usable_[g] || cancelled_.after(count(g) * passes)) continue;
    if (request_.starts.given) source_.project(g, starts_, values, options_.threads);
    else source_.automatic(g, values);
  }
}

void GroupFits::descend(const std::vector<int64_t>& groups, std::vector<double> starts, const Go& go) {
  const int64_t each = groups.empty() ? 0 : static_cast<int64_t>(starts.size()) / p_ / static_cast<int64_t>(groups.size());
  std::vector<RowRange> ranges(groups.size() * static_cast<size_t>(each));
  Round round{std::make_unique<Descent>(problem_, table_, rows_, options_, cancelled_), std::vector<int64_t>(usable_.size(), -1), each};
  for (size_t k = 0; k < groups.size(); ++k) {
    const int64_t g = groups[k];
    round.place[g] = static_cast<int64_t>(k);
    std::fill_n(ranges.begin() + static_cast<int64_t>(k) * each, each, RowRange{begin(g), count(g), typical_[g], request_.own_of(g)});
  }
  go(*round.descent, ranges, std::move(starts));
  rounds_.push_back(std::move(round));
}

void GroupFits::descend_from(const std::vector<int64_t>& groups, std::vector<double> starts) {
  descend(groups, std::move(starts), [](Descent& descent, const std::vector<RowRange>& ranges, std::vector<double> own) { descent.run(ranges, std::move(own), {}); });
}

void GroupFits::settle_from(const std::vector<int64_t>& groups, std::vector<double> starts) {
  descend(groups, std::move(starts), [](Descent& descent, const std::vector<RowRange>& ranges, std::vector<double> own) { descent.settle(ranges, std::move(own)); });
}

void GroupFits::descend_all() {
  std::vector<int64_t> groups;
  std::vector<double> starts;
  std::vector<const double*> from;
  groups.reserve(usable_.size());
  if (request_.starts.given) from.reserve(usable_.size() * static_cast<size_t>(starts_));
  for (int64_t g = 0; g < request_.groups; ++g) {
    if (!usable_[g]) continue;
    groups.push_back(g);
    for (int64_t s = 0; request_.starts.given && s < starts_; ++s) from.push_back(given(g, s));
  }
  const bool all = groups.size() == usable_.size();
  for (int64_t g : groups)
    if (!all) starts.insert(starts.end(), &start_values_[g * starts_ * p_], &start_values_[g * starts_ * p_] + starts_ * p_);
  descend(groups, all ? std::move(start_values_) : std::move(starts),
          [&](Descent& descent, const std::vector<RowRange>& ranges, std::vector<double> own) { descent.run(ranges, std::move(own), from); });
}

// Where few starts share the best optimum, others around it may be better still; where the best is
// none, or where starts keep finding new optima, others anywhere may.
bool GroupFits::hop(int round) {
  if (source_.nonlinear() < kHopDimensions || cancelled_) return false;
  std::vector<int64_t> groups;
  std::vector<double> starts;
  for (int64_t g = 0; g < request_.groups; ++g) {
    if (!usable_[g] || (round > 0 && rounds_.back().place[g] < 0)) continue;
    const double low = lowest(g);
    const Outcome& o = *best(g, low);
    const bool nowhere = round < kHopsFromNowhere && at_no_optimum(g, o);
    const bool cornered = rows_.bends_sharply(rows_of(g), low);
    const double least = forgets(problem_.loss) || cornered ? kUnseenOfMany : kUnseen;
    const bool promising = unseen(g, low, cornered) > least || (round == 0 ? share(g, low) < kRareBasin : round < kHopsDownhill && improved(g));
    if (!std::isfinite(o.objective) || !(promising || nowhere)) continue;
    groups.push_back(g);
    starts.resize(starts.size() + starts_ * p_);
    const bool anywhere = round > 0 && (nowhere || round % 2 == 1);
    source_.more(g, anywhere ? nullptr : o.parameters, round, &starts[starts.size() - starts_ * p_]);
  }
  if (groups.empty()) return false;
  descend_from(groups, std::move(starts));
  return true;
}

// Nor at one of which a parameter says that the data have lost hold of it.
bool GroupFits::at_no_optimum(int64_t g, const Outcome& o) {
  if (o.status == Status::not_identified || o.status == Status::stalled) return true;
  return fitted(o.status) && !(o.inverse_trace < kSoundInverse) && source_.any_on_edge(g, o.parameters);
}

// Did the last round of hops, which the group took part in, lower the objective?
bool GroupFits::improved(int64_t g) const {
  double before = infinity, after = infinity;
  const Outcome* last = rounds_.back().descent->outcomes().data() + rounds_.back().place[g] * rounds_.back().each;
  each_outcome(g, [&](const Outcome& o) {
    double& side = &o >= last && &o < last + rounds_.back().each ? after : before;
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
  if (rounds_.size() == 1 && round.each == 1) return round.descent->outcomes().data() + round.place[g];   // nothing to choose
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

// Of starts that find each optimum in proportion to the size of its basin, with nothing known about
// the sizes: the chance that one more finds a new optimum (Boender and Rinnooy Kan 1987).
double GroupFits::unseen(int64_t g, double low, bool cornered) {
  ends_.clear();
  double n = 0;
  each_outcome(g, [&](const Outcome& o) {
    ++n;
    if (fitted(o.status) && (cornered || o.inverse_trace < kSoundInverse)) ends_.push_back(o.objective);   // along a flat valley every end is another
  });
  std::sort(ends_.begin(), ends_.end());
  double optima = 0, last = -infinity;
  const double rounding = basin_limit(g, low) - low * (1 + kSameBasin);
  for (double f : ends_) {
    optima += f > last * (1 + kSameBasin) + rounding;
    last = f;
  }
  return optima > 1 ? optima * (optima + 1) / (n * (n - 1)) : 0;   // one alone raises no doubt
}

}  // namespace lawfit
