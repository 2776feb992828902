#include "start_source.hpp"

#include <cmath>

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
  plan_ = plan_starts(law_.graph, law_.analysis, law_.centred, request_.lower, request_.upper, request_.guess, o.space, n, request_.asked);
  linear_ = std::make_unique<Evaluator>(law_.centred, Space::linear, Loss::squared, n, weighted, !linear_table_.inverse_sigma.empty(), layout);
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
  make_for(count);
  return plan_.chosen;
}
void StartSource::automatic(int64_t begin, int64_t count, double* out) {
  make_for(count);
  maker_->make(linear_table_, table_, begin, count, seed_, nullptr, out);
}
void StartSource::project(int64_t begin, int64_t count, int64_t starts, double* values) {
  make_for(count);
  maker_->project(linear_table_, table_, begin, count, starts, values);
}
void StartSource::around(int64_t begin, int64_t count, const double* centre, int round, double* out) {
  make_for(count);
  maker_->make(linear_table_, table_, begin, count, seed_ + static_cast<uint64_t>(round) + 1, centre, out);
}

}  // namespace lawfit
