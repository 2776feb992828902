// The solver's lanes.
#pragma once
#include "endings.hpp"

namespace lawfit {

template <int kP> class LaneSolver final : public Solver, ParameterCount<kP> {
 public:
  LaneSolver(const Problem& problem, Stage stage, int64_t capacity, bool weighted, bool with_sigma, Layout layout);
  void run(const TableData& table, const Job* jobs, Outcome* outcomes, JobQueue& queue, const Limits& limits) override;

 private:
  using ParameterCount<kP>::p_;
  int entries() const { return p_ * (p_ + 1) / 2; }
  L take_jobs(L lanes, L& wary);
  void refill(L lanes);
  void give_verdict(L lanes, Status status);
  void end_lanes(End end, V gain, V held_back);
  void step();
  V unit(int parameter) const;
  void far_system();
  void finish_system();
  L solve_free();
  L solve_held();
  L solve_bounded();
  void predict();
  void leave_newton(L lanes);
  void enter_newton(L good);
  Place here() const { return {theta_, now_, objective_}; }
  V cosine() const { return lawfit::cosine<kP>(problem_, here()); }
  V rounding_noise() const;
  V step_size() const;
  void keep_size(V size);
  V left_over() const;
  V step_gain() const;
  void mark_settled();
  void mark_converged();
  void relax_scale(L local);
  L earns_newton() const { return gauss_steps_ + broadcast(1.0) >= patience_; }   // with one more good step
  Tier tier() const;
  void trial_point();
  void multiply_trial();
  L solve_linear();
  L stays_inside(L lanes) const;
  V projected_value() const;
  L may_be_lower() const;
  void move_linear(L lanes);
  L project_linear(L candidates, V& value);
  void project_trial();
  void plan_detours(L failed);
  void wait_longer(L lanes);
  L plan_crossings(L ready);
  L before_zero(int exponent) const;
  V beyond_zero(int exponent) const;
  L plan_leaps(L ready);
  L went_far() const;
  L turn_linear(L lanes);
  void judge_detours(L tried, L better);
  void widen_scale(L lanes);
  L stays_representable() const;
  void judge();
  void stop_far();
  void stop_limits();

  const Problem& problem_;
  const Stage stage_;
  Evaluator evaluator_;
  const Layout layout_;
  const L independent_;             // lanes that have a problem of their own
  Arena arena_;
  V *theta_, *trial_, *detour_point_, *milestone_, *step_, *lower_, *upper_, *metric_, *damp_, *matrix_, *factor_, *rhs_, *fixed_step_;
  L* fixed_;
  Sums now_, next_;
  Damping damping_;
  V objective_, scale_, tail_, reach_, target_scale_, size_, last_size_, predicted_, telling_, slow_, blind_, detour_wait_, detour_gap_, detour_tries_, detour_reach_, side_, milestone_at_, at_scale_, patience_, gauss_steps_, gauss_damping_, iterations_, weights_, moved_;
  L fresh_, busy_, definite_, done_, newton_, cautious_, stretched_, converging_, detour_, leaping_, projected_;
  Status verdict_[W];
  int64_t job_[W];
  std::vector<int> linear_;         // parameters that variable projection solves for
  std::vector<int> exponents_;      // nonlinear parameters of a size of their own
  const bool separable_;            // exactly, or bounded by the majoriser
  const bool retraces_;             // steps are projected by detours, far ones before they are tried
  Endings<kP> endings_;
  V* means_;                        // of the centred columns
  std::vector<double> lane_means_;

  // The run in progress.
  const TableData* table_ = nullptr;
  const Job* jobs_ = nullptr;
  Outcome* outcomes_ = nullptr;
  JobQueue* queue_ = nullptr;
  Limits limits_;
};

// A file that defines some of the members makes them for all numbers of parameters.
#define LAWFIT_LANE_SOLVERS \
  template class LaneSolver<0>; \
  template class LaneSolver<1>; \
  template class LaneSolver<2>; \
  template class LaneSolver<3>; \
  template class LaneSolver<4>; \
  template class LaneSolver<5>;

}  // namespace lawfit
