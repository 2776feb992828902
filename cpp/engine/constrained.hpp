// Fits under one equality: the least objective where a quantity of the parameters has a value.
#pragma once
#include <memory>
#include <vector>

#include "fit.hpp"

namespace lawfit {

// A quantity g(theta), one a row of its own columns.
struct QuantityView {
  GraphView graph;
  TableView table;                 // columns and rows only
};

struct ConstrainedJob {
  int64_t quantity;                // row
  double value;                    // that the quantity must have
  double enough;                   // decrease of the objective that is not worth a step
  double* parameters;              // in: near the constraint; out: the constrained optimum
  LossNumbers numbers;             // the loss's
  double objective = infinity;     // out; infinite where no such point was found
  bool solved = false;             // out
  // Out where not null: sides of the parameters pressed against bounds, the quantity's slope, and the
  // second derivatives of the objective less the quantity's times its multiplier, a packed triangle.
  int8_t* active = nullptr;
  double *normal = nullptr, *second = nullptr;
};

// W jobs at a time. One parameter, the pivot, is solved from the constraint at every trial, and the
// others take damped Newton steps in what is left: every accepted point is on the constraint.
class ConstrainedSolver {
 public:
  ConstrainedSolver(const CompiledLaw& law, const TableData& table, const ObjectiveSpec& objective, const CompiledLaw& quantity,
                    const TableData& quantities, const std::vector<double>& lower, const std::vector<double>& upper);
  int lanes() const { return lanes_; }
  void run(ConstrainedJob* jobs, int count, Cancellation& cancelled);

 private:
  struct Lane {
    ConstrainedJob* job = nullptr;
    bool busy = false, newton = true, fresh = true;
    int pivot = 0, slow = 0, failures = 0, steps = 0, patience = 1;
    double lambda = 0, objective = 0, predicted = 0;
    LossNumbers numbers{};
    std::vector<double> theta, trial, gradient, majorised, second, slope, curvature, step, trial_slope, trial_curvature;
  };
  void look_at_quantities();
  void restore();
  void take(int lane);
  void propose(Lane& lane);
  void judge(Lane& lane, double objective);
  void finish(Lane& lane, bool solved);
  int8_t pressed(const Lane& lane, int i) const;   // against which bound: -1, 0, +1
  LossShape shape() const;
  void choose_pivot(Lane& lane) const;
  double reduced(const std::vector<double>& matrix, const Lane& lane, int i, int k) const;
  bool solve(Lane& lane, bool newton);
  double entry(const std::vector<double>& packed, int i, int j) const { return i >= j ? packed[i * (i + 1) / 2 + j] : packed[j * (j + 1) / 2 + i]; }

  const int p_, entries_, lanes_;
  const std::vector<Prior>& priors_;
  const std::vector<double>&lower_, &upper_;
  const TableData &table_, &quantities_;
  Evaluator law_, quantity_;
  Arena arena_;
  V *theta_, *value_, *slope_, *curvature_;
  Sums sums_, unused_;
  Lane lane_[W];
  std::vector<int> moving_;
  std::vector<double> system_, right_;
};

}  // namespace lawfit
