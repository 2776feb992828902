// A law in its natural parameters, row by row: fitted values, slopes and the Jacobian at one
// parameter vector. What covariances, certificates and predictions are made from.
#pragma once
#include "evaluate.hpp"
#include "law.hpp"

namespace lawfit {

// Rows [begin, begin + count) of the table, or with weights and targets of a replicate.
struct RowView {
  int64_t begin, count;
  const double *weight = nullptr, *target = nullptr;
  const LossNumbers* own = nullptr;   // the loss's numbers where they are not the objective's
};

class RowModel {
 public:
  // capacity: most rows that one call below will ask for.
  RowModel(const CompiledLaw& law, const TableView& table, const ObjectiveSpec& objective, int64_t capacity);

  // `smoothing`: width of kinks, for weights that stay finite where a residual is zero; 0: none.
  void rows(const double* parameters, const RowView& range, const Evaluator::Rows& out, double smoothing = 0);
  // The objective, priors and all, without the solver's smoothing of kinks.
  double objective(const double* parameters, const RowView& range);
  double weight_total(const RowView& range) const;
  // How large residuals are where the rows have this objective.
  double typical_residual(const RowView& range, double objective) const;
  // Where hardly a residual is within a loss's scale it is as good as kinked: there may be an optimum
  // wherever it bends at enough rows.
  bool bends_sharply(const RowView& range, double objective) const;
  // Full Hessian of the objective, parameters x parameters.
  void hessian(const double* parameters, const RowView& range, double* out);
  const TableData& table() { return prepare(), table_; }
  Loss loss() const { return objective_.loss; }
  const ObjectiveSpec& objective() const { return objective_; }
  LossNumbers numbers(const RowView& range) const { return range.own ? *range.own : LossNumbers{objective_.scale, objective_.tail}; }
  const std::vector<Prior>& priors() const { return law_.priors; }

 private:
  void prepare();   // on first use: many fits need no row model
  void load(const double* parameters, const RowView& range);
  LossShape exact(const RowView& range) const;

  const CompiledLaw& law_;
  const TableView view_;
  ObjectiveSpec objective_;
  const int64_t capacity_;
  TableData table_;
  std::unique_ptr<Evaluator> evaluator_;
  Arena arena_;
  V* theta_;
  Sums sums_;
};

}  // namespace lawfit
