// Maximum likelihood of a law's parameters and of the loss's own numbers together: rounds of a warm
// refit of the law at fixed numbers and a Newton step of the numbers along the refitted law.
#pragma once
#include <optional>
#include <vector>

#include "dense.hpp"
#include "descent.hpp"
#include "nuisance.hpp"

namespace lawfit {

inline const std::vector<double> kTails = {0, 0.02, 0.05, 0.1, 0.2, 0.4, 0.7, kHeaviestTail};   // to begin with

struct JointOutcome {
  double objective = infinity;      // joint: minus the log-likelihood, up to what no parameter enters
  double gradient_norm = infinity, inverse_trace = infinity;
  Status status = Status::cancelled;
  int32_t iterations = 0;
  bool moved = false;
};

// What a refit was held to: the constraint's slope, and the second derivatives of the objective
// along the constraint's curved surface, a packed lower triangle.
struct Constraint { const double *normal, *second; };

// Refits of a law while the numbers stay, each warm from its job's start.
class NumberedRefits {
 public:
  virtual ~NumberedRefits() = default;
  // which: the jobs' places among those of JointFit::run. Outcomes are good until the next call.
  virtual const std::vector<Outcome>& refit(std::vector<Job> jobs, const std::vector<size_t>& which) = 0;
  virtual Constraint constraint(size_t) const { return {nullptr, nullptr}; }   // at its last outcome, by place
};

// Held to nothing.
class FreeRefits : public NumberedRefits {
 public:
  FreeRefits(const Problem& problem, const TableData& table, RowModel& rows, const FitOptions& options, Cancellation& cancelled)
      : problem_(problem), table_(table), rows_(rows), options_(options), cancelled_(cancelled) {}
  const std::vector<Outcome>& refit(std::vector<Job> jobs, const std::vector<size_t>& which) override;

 private:
  const Problem& problem_;
  const TableData& table_;
  RowModel& rows_;
  const FitOptions& options_;
  Cancellation& cancelled_;
  std::optional<Descent> descent_;
};

class JointFit {
 public:
  JointFit(const TableData& table, RowModel& rows, int parameters, NumberedRefits& refits, Cancellation& cancelled);

  // Numbers to begin with, at parameters of a fit that did not know them: Student's scale to each of
  // some tails, and the best of these. False: nothing to go by.
  bool first_numbers(const double* parameters, const RowView& range, const std::vector<double>& tails, LossNumbers& out);
  // Every job from its start and its numbers, jobs x parameters and jobs.
  void run(const std::vector<Job>& jobs, std::vector<double>& parameters, std::vector<LossNumbers>& numbers);
  const std::vector<JointOutcome>& outcomes() const { return outcomes_; }

 private:
  struct Path;                      // one job on its way
  void look(Path& path, const Job& job, const Outcome& outcome, double* parameters, LossNumbers& numbers, JointOutcome& out);
  void step(Path& path, const RowView& range, const double* parameters, LossNumbers& numbers);
  Matrix following(const NuisanceSums& sums, const RowView& range, const double* parameters, const Path& path);
  bool leave_zero(const NuisanceSums& sums, LossNumbers& numbers) const;
  double move(const Path& path, const RowView& range, const double* by, LossNumbers& numbers);
  double& number(LossNumbers& numbers, int k) const;   // the k-th that is estimated
  bool counts() const;
  bool may_be_zero(int k) const;
  double largest(int k) const;
  bool rows_at(const double* parameters, const RowView& range);

  const TableData& table_;
  RowModel& rows_;
  NumberedRefits& refits_;
  Cancellation& cancelled_;
  const NuisanceView free_;
  const int p_;
  std::vector<JointOutcome> outcomes_;
  std::vector<double> model_, slope_, jacobian_, hessian_;   // of the rows being looked at
};

}  // namespace lawfit
