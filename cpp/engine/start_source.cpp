#include "start_source.hpp"

#include <algorithm>
#include <cmath>

#include "pool.hpp"
#include "random.hpp"
#include "stages.hpp"

namespace lawfit {

namespace {
// Weights under which linear residuals approximate those of the real space.
std::vector<double> linearised_sigma(const FitRequest& request) {
  const TableView& t = request.table;
  if (of_counts(request.objective.loss)) {   // the likelihood's own variance, at the datum, away from zero
    std::vector<double> sigma(t.rows);
    const bool share = request.objective.loss == Loss::binomial;
    for (int64_t r = 0; r < t.rows; ++r) {
      const double y = t.y[r];
      sigma[r] = (t.sigma ? t.sigma[r] : 1) * std::sqrt(share ? std::max(y * (1 - y), kLeastShareVariance) : std::max(y, kLeastCount) + request.objective.scale * y * y);
    }
    return sigma;
  }
  if (request.objective.space == Space::linear)
    return t.sigma ? std::vector<double>(t.sigma, t.sigma + t.rows) : std::vector<double>();
  std::vector<double> sigma(t.rows);
  for (int64_t r = 0; r < t.rows; ++r) {
    const double y = std::fabs(t.y[r]), slope = request.objective.space == Space::logit ? y * (1 - y) : y;
    sigma[r] = (t.sigma ? t.sigma[r] : 1) * slope;
  }
  return sigma;
}

constexpr int64_t kMostRows = 8192;   // of a group that starts are made from

TableData take_rows(const TableData& table, const std::vector<int64_t>& rows) {
  auto take = [&](const std::vector<double>& from) {
    std::vector<double> to;
    for (int64_t r : rows) if (!from.empty()) to.push_back(from[r]);
    return to;
  };
  TableData taken;
  taken.rows = static_cast<int64_t>(rows.size());
  for (const auto& column : table.columns) taken.columns.push_back(take(column));
  taken.target = take(table.target);
  taken.inverse_sigma = take(table.inverse_sigma);
  taken.weight = take(table.weight);
  return taken;
}
}  // namespace

StartSource::StartSource(const CompiledLaw& law, const FitRequest& request, const TableData& table, uint64_t seed)
    : law_(law), request_(request), table_(table), seed_(seed), weighted_(!table.weight.empty()), longest_(1) {
  for (int64_t g = 0; g < request.groups; ++g) longest_ = std::max(longest_, std::min(request.offsets[g + 1] - request.offsets[g], kMostRows));
}

StartPlan StartSource::plan_for(int64_t count) const {
  const ObjectiveSpec& o = request_.objective;
  return plan_starts(law_.graph, law_.analysis, law_.centred, request_.lower, request_.upper, request_.guess, o.space, o.loss, count,
                     request_.starts.asked, request_.starts.one_in);
}

// A maker serves groups that are alike; what it makes for one depends on that one alone.
void StartSource::make_for(int64_t count) {
  plan_ = plan_for(std::max<int64_t>(count, 1));
  const Layout layout = layout_for(count);
  const int64_t capacity = layout == Layout::points ? count : std::min(longest_, kPointsLayout - 1);
  if (made_.layout == layout && made_.capacity == capacity && made_.nodes == plan_.nodes && made_.subsets == plan_.subsets) return;
  made_ = {layout, capacity, plan_.nodes, plan_.subsets};
  workers_.clear();
  workers_.push_back(make_worker());
}

StartSource::Worker StartSource::make_worker() const {
  const ObjectiveSpec& o = request_.objective;
  const bool weighted = weighted_ || made_.layout == Layout::points;
  Worker worker;
  worker.linear = std::make_unique<Evaluator>(law_.centred, Space::linear, Loss::squared, made_.capacity, weighted || plan_.subsets,
                                              !linear_table_.inverse_sigma.empty(), made_.layout);
  worker.real = std::make_unique<Evaluator>(law_.centred, o.space, has_kink(o.loss) ? Loss::absolute : o.loss, made_.capacity, weighted,
                                            !table_.inverse_sigma.empty(), made_.layout);
  worker.maker = std::make_unique<StartMaker>(plan_, law_.exponential_target, law_.analysis.centring, *worker.linear, *worker.real,
                                              has_kink(o.loss) ? 1e-300 : o.scale, o.tail);
  return worker;
}

int StartSource::nonlinear() const {
  int n = 0;
  for (bool linear : law_.analysis.linear) n += !linear;
  return n;
}
// Elsewhere the far phase finds linear parameters in a step or two by itself.
bool StartSource::projects() const {
  const Space space = request_.objective.space;
  return (space == Space::log || space == Space::logit) && nonlinear() < static_cast<int>(law_.analysis.linear.size());
}
int64_t StartSource::automatic_count() const {
  return count(law_, request_.objective, request_.lower, request_.upper, request_.guess, request_.starts);
}
int64_t StartSource::count(const CompiledLaw& law, const ObjectiveSpec& objective, const std::vector<double>& lower,
                           const std::vector<double>& upper, const std::vector<double>& guess, const StartRequest& starts) {
  return plan_starts(law.graph, law.analysis, law.centred, lower, upper, guess, objective.space, objective.loss, 1, starts.asked, starts.one_in).chosen;
}

// Starts need no more rows than this: of larger groups a random sample is looked at.
StartSource::Rows StartSource::look_at(int64_t group) {
  const int64_t begin = request_.offsets[group], count = request_.offsets[group + 1] - begin;
  if (linear_table_.rows == 0) {
    const std::vector<double> sigma = linearised_sigma(request_);
    linear_table_ = prepare_table(law_.centred, request_.table.columns, request_.table.y, request_.table.weight,
                                  sigma.empty() ? nullptr : sigma.data(), request_.table.rows, Space::linear);
  }
  make_for(std::min(count, kMostRows));
  if (request_.own) for (Worker& worker : workers_) worker.maker->set_numbers(request_.own[group]);
  if (count <= kMostRows) return {&linear_table_, &table_, begin, count};
  const Philox stream(seed_, 0x5A3B1Eu);
  std::vector<int64_t> chosen(kMostRows);
  for (int64_t i = 0; i < kMostRows; ++i) {
    // One row out of each of kMostRows equal stretches, so that sorted tables are covered evenly.
    const double place = (static_cast<double>(i) + stream.block(static_cast<uint64_t>(i))[0] / 4294967296.0) / static_cast<double>(kMostRows);
    chosen[i] = begin + std::min(static_cast<int64_t>(place * static_cast<double>(count)), count - 1);
  }
  sampled_linear_ = take_rows(linear_table_, chosen);
  sampled_ = take_rows(table_, chosen);
  sampled_linear_.version = sampled_.version = ++samples_;
  return {&sampled_linear_, &sampled_, 0, kMostRows};
}

// Each wave has its share of the nodes.
Screening StartSource::screening(int64_t wave, int64_t each) const {
  const int64_t waves = (plan_.chosen + each - 1) / each, first = plan_.nodes * wave / waves;
  return {static_cast<int>(first), static_cast<int>(plan_.nodes * (wave + 1) / waves - first), static_cast<int>(std::min(each, plan_.chosen - wave * each))};
}

void StartSource::automatic(int64_t group, int64_t wave, int64_t each, double* out) {
  const Rows rows = look_at(group);
  workers_[0].maker->make(*rows.linear, *rows.real, rows.begin, rows.count, seed_, nullptr, screening(wave, each), out);
}
void StartSource::project(int64_t group, int64_t starts, double* values, int threads) {
  if (!projects()) return;
  const Rows rows = look_at(group);
  const size_t p = request_.lower.size(), used = static_cast<size_t>(range_workers(starts, kStartsPerWorker, threads));
  while (workers_.size() < used) {
    workers_.push_back(make_worker());
    if (request_.own) workers_.back().maker->set_numbers(request_.own[group]);
  }
  const auto work = [&](int worker, int64_t first, int64_t last) {
    workers_[static_cast<size_t>(worker)].maker->project(*rows.linear, *rows.real, rows.begin, rows.count, last - first, values + static_cast<size_t>(first) * p);
  };
  share_range(starts, kStartsPerWorker, threads, work);
}
void StartSource::more(int64_t group, const double* centre, int round, int64_t each, double* out) {
  const Rows rows = look_at(group);
  workers_[0].maker->make(*rows.linear, *rows.real, rows.begin, rows.count, seed_ + static_cast<uint64_t>(round) + 1, centre, screening(0, each), out);
}
int StartSource::plain(int64_t group, int starts, double* out) {
  const Rows rows = look_at(group);
  return workers_[0].maker->make_plain(*rows.linear, *rows.real, rows.begin, rows.count, seed_ - 1, starts, out);
}
bool StartSource::any_on_edge(int64_t group, const double* values) {
  const Rows rows = look_at(group);
  return workers_[0].maker->any_on_edge(*rows.real, rows.begin, rows.count, values);
}

}  // namespace lawfit
