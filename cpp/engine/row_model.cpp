#include "row_model.hpp"

#include <algorithm>
#include <numeric>

namespace lawfit {

RowModel::RowModel(const CompiledLaw& law, const TableView& table, const ObjectiveSpec& objective, int64_t capacity)
    : law_(law), view_(table), objective_(objective), capacity_(capacity),
      arena_(law.natural.parameters + sum_vectors(law.natural.parameters)) {
  const int p = law.natural.parameters;
  theta_ = arena_.take_vectors(p);
  sums_ = make_sums(arena_.take_vectors(sum_vectors(p)), p, true);
}

void RowModel::prepare() {
  if (evaluator_) return;
  table_ = prepare_table(law_.natural, view_.columns, view_.y, view_.weight, view_.sigma, view_.rows, objective_.space);
  evaluator_ = std::make_unique<Evaluator>(law_.natural, objective_.space, objective_.loss, capacity_, true, !table_.inverse_sigma.empty(),
                                           Layout::points);
}

LossShape RowModel::exact(const RowView& range) const {
  const LossNumbers n = numbers(range);
  return LossShape::of(broadcast(has_kink(objective_.loss) ? 1e-300 : n.scale), broadcast(n.tail));
}

void RowModel::load(const double* parameters, const RowView& range) {
  prepare();
  evaluator_->load_lane(0, table_, range.begin, range.count, range.weight, nullptr, range.target);
  for (int k = 0; k < law_.natural.parameters; ++k) theta_[k] = broadcast(parameters[k]);
}

void RowModel::rows(const double* parameters, const RowView& range, const Evaluator::Rows& out, double smoothing) {
  if (range.count == 0) return;
  load(parameters, range);
  LossShape shape = exact(range);
  if (has_kink(objective_.loss) && smoothing > 0) shape = LossShape::of(broadcast(smoothing), shape.tail);
  evaluator_->rows(theta_, shape, out);
}

double RowModel::objective(const double* parameters, const RowView& range) {
  const double believed = prior_value(law_.priors, parameters);
  if (range.count == 0) return believed;
  load(parameters, range);
  evaluator_->evaluate(Tier::value, theta_, exact(range), sums_);
  return sums_.value[0][0] + believed;
}

double RowModel::weight_total(const RowView& range) const {
  const double* weight = range.weight ? range.weight : view_.weight ? view_.weight + range.begin : nullptr;
  return weight ? std::accumulate(weight, weight + range.count, 0.0) : static_cast<double>(range.count);
}

double RowModel::typical_residual(const RowView& range, double objective) const {
  return lawfit::typical_residual(objective_.loss, numbers(range).scale, objective / weight_total(range));
}

bool RowModel::bends_sharply(const RowView& range, double objective) const {
  constexpr double kSharp = 5;   // typical residual over the scale
  const Loss loss = objective_.loss;
  if (loss != Loss::huber && loss != Loss::soft_l1 && loss != Loss::log_cosh) return has_kink(loss);
  return typical_residual(range, objective) > kSharp * numbers(range).scale;
}

void RowModel::hessian(const double* parameters, const RowView& range, double* out) {
  std::fill_n(out, law_.natural.parameters * law_.natural.parameters, 0.0);
  if (range.count == 0) return;
  load(parameters, range);
  evaluator_->evaluate(Tier::hessian, theta_, exact(range), sums_);
  const int p = law_.natural.parameters;
  for (int i = 0; i < p; ++i)
    for (int j = 0; j <= i; ++j) out[i * p + j] = out[j * p + i] = sums_.second[i * (i + 1) / 2 + j][0];
  add_prior_curvature(law_.priors, parameters, p, out);
}

}  // namespace lawfit
