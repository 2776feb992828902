#include "constrained_joint.hpp"

#include <algorithm>
#include <cmath>

namespace lawfit {

namespace {
constexpr double kFiner = 1e-3;   // what a refit may leave, of what the joint fit may: its steps compare objectives
}

ConstrainedJointFits::ConstrainedJointFits(const CompiledLaw& law, const TableView& view, const TableData& table, const ObjectiveSpec& objective,
                                           Solve solve, Cancellation& cancelled)
    : table_(table), p_(law.natural.parameters), entries_(p_ * (p_ + 1) / 2), rows_(law, view, objective, std::max<int64_t>(view.rows, 1)),
      solve_(std::move(solve)), joint_(table, rows_, static_cast<int>(p_), *this, cancelled) {}

double ConstrainedJointFits::objective(const double* parameters) {
  const RowView all{0, table_.rows};
  return rows_.objective(parameters, all) + density_offset(rows_, all);
}

void ConstrainedJointFits::run(std::vector<ConstrainedJob>& jobs) {
  jobs_ = &jobs;
  parameters_.assign(jobs.size() * p_, 0.0);
  normals_.assign(jobs.size() * p_, 0.0);
  seconds_.assign(jobs.size() * entries_, 0.0);
  active_.assign(jobs.size() * p_, 0);
  const Job all{0, table_.rows, nullptr, nullptr, 0, kSharpest * typical_size(table_, 0, table_.rows)};
  std::vector<double> values;
  std::vector<LossNumbers> numbers;
  for (const ConstrainedJob& job : jobs) {
    values.insert(values.end(), job.parameters, job.parameters + p_);
    numbers.push_back(job.numbers);
  }
  joint_.run(std::vector<Job>(jobs.size(), all), values, numbers);
  for (size_t k = 0; k < jobs.size(); ++k) {
    const JointOutcome& outcome = joint_.outcomes()[k];
    std::copy_n(&values[k * p_], p_, jobs[k].parameters);
    jobs[k].numbers = numbers[k];
    jobs[k].objective = outcome.objective;
    jobs[k].solved = fitted(outcome.status) && std::isfinite(outcome.objective);
  }
}

const std::vector<Outcome>& ConstrainedJointFits::refit(std::vector<Job> jobs, const std::vector<size_t>& which) {
  std::vector<ConstrainedJob> held;
  for (size_t i = 0; i < which.size(); ++i) {
    const size_t k = which[i];
    ConstrainedJob job = (*jobs_)[k];
    job.parameters = &parameters_[k * p_];
    std::copy_n(jobs[i].start, p_, job.parameters);
    job.enough *= kFiner;
    job.numbers = *jobs[i].own;
    job.active = &active_[k * p_];
    job.normal = &normals_[k * p_];
    job.second = &seconds_[k * entries_];
    held.push_back(job);
  }
  solve_(held);
  outcomes_.clear();
  for (const ConstrainedJob& job : held)
    outcomes_.push_back({job.parameters, job.active, job.solved ? job.objective : infinity, 0, 0, 0,
                         job.solved ? Status::converged : Status::stalled, false});
  return outcomes_;
}

}  // namespace lawfit
