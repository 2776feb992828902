#include "start_source.hpp"

#include <algorithm>
#include <cmath>

#include "random.hpp"
#include "stages.hpp"

namespace lawfit {

namespace {
// Weights under which linear residuals approximate those of the real space.
std::vector<double> linearised_sigma(const FitRequest& request) {
  const TableView& t = request.table;
  if (request.objective.space == Space::linear)
    return t.sigma ? std::vector<double>(t.sigma, t.sigma + t.rows) : std::vector<double>();
  std::vector<double> sigma(t.rows);
  for (int64_t r = 0; r < t.rows; ++r) {
    const double y = std::fabs(t.y[r]), slope = request.objective.space == Space::logit ? y * (1 - y) : y;
    sigma[r] = (t.sigma ? t.sigma[r] : 1) * slope;
  }
  return sigma;
}

constexpr int64_t kMostRows = 8192;

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
    : law_(law), request_(request), table_(table), seed_(seed), weighted_(!table.weight.empty()) {
  const std::vector<double> sigma = linearised_sigma(request);
  linear_table_ = prepare_table(law.centred, request.table.columns, request.table.y, request.table.weight,
                                sigma.empty() ? nullptr : sigma.data(), request.table.rows, Space::linear);
}

// What is done for one group depends on that group alone; a maker serves groups of one length.
void StartSource::make_for(int64_t count) {
  const int64_t n = std::max<int64_t>(count, 1);
  if (n == made_for_) return;
  const ObjectiveSpec& o = request_.objective;
  const Layout layout = layout_for(n);
  const bool weighted = weighted_ || layout == Layout::points;
  plan_ = plan_starts(law_.graph, law_.analysis, law_.centred, request_.lower, request_.upper, request_.guess, o.space, o.loss, n, request_.asked);
  linear_ = std::make_unique<Evaluator>(law_.centred, Space::linear, Loss::squared, n, weighted || plan_.subsets, !linear_table_.inverse_sigma.empty(), layout);
  real_ = std::make_unique<Evaluator>(law_.centred, o.space, has_kink(o.loss) ? Loss::absolute : o.loss, n, weighted,
                                      !table_.inverse_sigma.empty(), layout);
  maker_ = std::make_unique<StartMaker>(plan_, law_.exponential_target, law_.analysis.centring, *linear_, *real_,
                                        has_kink(o.loss) ? 1e-300 : o.scale, o.quantile);
  made_for_ = n;
}

int StartSource::nonlinear() const {
  int n = 0;
  for (bool linear : law_.analysis.linear) n += !linear;
  return n;
}
int64_t StartSource::automatic_count(int64_t count) {
  make_for(std::min(count, kMostRows));
  return plan_.chosen;
}
// Starts need no more rows than this: of larger groups a random sample is looked at.
StartSource::Rows StartSource::look_at(int64_t begin, int64_t count) {
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

void StartSource::automatic(int64_t begin, int64_t count, double* out) {
  const Rows rows = look_at(begin, count);
  make_for(rows.count);
  maker_->make(*rows.linear, *rows.real, rows.begin, rows.count, seed_, nullptr, out);
}
void StartSource::project(int64_t begin, int64_t count, int64_t starts, double* values) {
  const Rows rows = look_at(begin, count);
  make_for(rows.count);
  maker_->project(*rows.linear, *rows.real, rows.begin, rows.count, starts, values);
}
void StartSource::around(int64_t begin, int64_t count, const double* centre, int round, double* out) {
  const Rows rows = look_at(begin, count);
  make_for(rows.count);
  maker_->make(*rows.linear, *rows.real, rows.begin, rows.count, seed_ + static_cast<uint64_t>(round) + 1, centre, out);
}

}  // namespace lawfit
