#include "numbers_at.hpp"

#include <cmath>

#include "joint_fit.hpp"

namespace lawfit {

namespace {
// Refits that leave every parameter where it is.
class HeldRefits : public NumberedRefits {
 public:
  HeldRefits(RowModel& rows, int parameters) : rows_(rows), p_(parameters), active_(parameters, 1) {}
  const std::vector<Outcome>& refit(std::vector<Job> jobs, const std::vector<size_t>&) override {
    outcomes_.clear();
    parameters_.clear();
    for (const Job& job : jobs) parameters_.insert(parameters_.end(), job.start, job.start + p_);
    for (size_t k = 0; k < jobs.size(); ++k) {
      double* at = &parameters_[k * p_];
      const double objective = rows_.objective(at, {jobs[k].begin, jobs[k].count, nullptr, nullptr, jobs[k].own});
      outcomes_.push_back({at, active_.data(), objective, 0, 0, 0, Status::converged, false});
    }
    return outcomes_;
  }

 private:
  RowModel& rows_;
  const size_t p_;
  std::vector<int8_t> active_;
  std::vector<double> parameters_;
  std::vector<Outcome> outcomes_;
};
}  // namespace

NumbersAt numbers_at(const CompiledLaw& law, const TableView& view, const ObjectiveSpec& objective, const double* parameters) {
  const int p = law.natural.parameters;
  const int64_t n = view.rows;
  const TableData table = prepare_table(law.natural, view.columns, view.y, view.weight, view.sigma, n, objective.space);
  RowModel rows(law, view, objective, std::max<int64_t>(n, 1));
  Cancellation cancelled;
  HeldRefits refits(rows, p);
  JointFit joint(table, rows, p, refits, cancelled);
  std::vector<LossNumbers> numbers(1);
  if (!joint.first_numbers(parameters, {0, n}, kTails, numbers[0])) return {not_a_number, {not_a_number, not_a_number}};
  std::vector<double> values(parameters, parameters + p);
  joint.run({{0, n, nullptr, nullptr, 0, kSharpest * typical_size(table, 0, n)}}, values, numbers);
  return {joint.outcomes()[0].objective, numbers[0]};
}

}  // namespace lawfit
