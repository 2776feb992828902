// Constrained fits of a likelihood that estimates numbers: joint fits whose refits stay on the
// constraint, so that the numbers are the best ones there.
#pragma once
#include <functional>

#include "constrained.hpp"
#include "joint_fit.hpp"

namespace lawfit {

class ConstrainedJointFits : NumberedRefits {
 public:
  using Solve = std::function<void(std::vector<ConstrainedJob>&)>;   // at fixed numbers

  ConstrainedJointFits(const CompiledLaw& law, const TableView& view, const TableData& table, const ObjectiveSpec& objective, Solve solve,
                       Cancellation& cancelled);
  // Objective at the fitted parameters and the objective's own numbers.
  double objective(const double* parameters);
  // Each from its parameters and its numbers; objectives are joint ones.
  void run(std::vector<ConstrainedJob>& jobs);

 private:
  const std::vector<Outcome>& refit(std::vector<Job> jobs, const std::vector<size_t>& which) override;
  Constraint constraint(size_t k) const override { return {&normals_[k * p_], &seconds_[k * entries_]}; }

  const TableData& table_;
  const size_t p_, entries_;
  RowModel rows_;
  Solve solve_;
  JointFit joint_;
  std::vector<ConstrainedJob>* jobs_ = nullptr;
  std::vector<double> parameters_, normals_, seconds_;   // of all jobs
  std::vector<int8_t> active_;
  std::vector<Outcome> outcomes_;
};

}  // namespace lawfit
