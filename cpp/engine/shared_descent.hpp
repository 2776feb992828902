// One joint fit from one start: damped Newton steps in all parameters of all groups at once, the
// own ones eliminated group by group, so that a step costs as much as one step of every group alone.
#pragma once
#include <functional>

#include "shared_units.hpp"

namespace lawfit {

struct SharedOutcome {
  double objective = infinity, gradient_norm = infinity;
  int32_t iterations = 0;
  Status status = Status::cancelled;
  bool moved = false;
};

class SharedDescent {
 public:
  // keep_going: asked between steps; false: cancel.
  SharedDescent(const Problem& problem, const std::vector<char>& is_shared, const TableData& table, const std::vector<SharedRows>& groups,
                const Limits& limits, int threads, std::function<bool()> keep_going);
  // values: groups x parameters in natural scale, the shared ones equal in all; overwritten with the
  // optimum. `relax`: approach a small scale of the loss from a larger one.
  SharedOutcome run(double* values, bool relax);
  // Objective and gradient norm of every group after run().
  void groups(double* objective, double* gradient_norm) const;

 private:
  bool step();
  bool solve_shared(const std::vector<char>& held, const std::vector<double>& given);
  void leave_newton();
  bool converged();
  void stop_limits();
  void judge();
  void relax_scale();
  void take_last_step();
  V cosines(const SharedUnit& unit) const;
  double cosine() const;
  double largest_size() const;
  double noise() const;
  LossShape shape() const;
  bool at_bound() const;
  double shared_value(int c) const { return units_.units()[0].theta[split().shared[c]][0]; }
  const SharedSplit& split() const { return units_.split(); }
  void end(Status status) { outcome_.status = status; done_ = true; }

  const Problem& problem_;
  mutable SharedUnits units_;
  const Limits limits_;
  const std::function<bool()> keep_going_;
  SharedOutcome outcome_;
  bool done_ = false, fresh_ = true, stretched_ = false, newton_ = true;
  double objective_ = infinity, predicted_ = 0, size_ = infinity, last_size_ = infinity;
  double lambda_ = 0, growth_ = 4, scale_ = 1, target_scale_ = 1, reach_ = 1;
  int blind_ = 0, at_scale_ = 0, patience_ = 1, gauss_steps_ = 0;
  std::vector<double> step_, factor_;
};

}  // namespace lawfit
