// Where descents ended. What certifies an end costs square roots and divisions by the dozen, and few
// lanes end at a time: ends are noted down, and certified when there is one for every lane.
#pragma once
#include "solver.hpp"

namespace lawfit {

constexpr int kMostFixed = 5;   // parameters up to which their number is a constant of the type, so that loops over them unroll

template <int kP> struct ParameterCount {
  static constexpr int p_ = kP;
  explicit ParameterCount(int) {}
};
template <> struct ParameterCount<0> {   // any number
  const int p_;
  explicit ParameterCount(int p) : p_(p) {}
};

// Where every lane is.
struct Place {
  V* theta;
  Sums sums;
  V objective;
};

// What is left to say of an end: nothing; what its certificate says of an optimum; or whether it is
// one, which else the finish has to reach.
enum class End : char { unsettled, settled, candidate };

template <int kP> class Endings : ParameterCount<kP> {
 public:
  explicit Endings(const Problem& problem);
  // Lane `lane` of `place` ended there. The step that got it there still took `gain` off the
  // objective; `held_back` is the largest damping of a parameter, in its own curvature.
  void note(const Place& place, int lane, const V* means, Outcome& outcome, Status status, End end, double gain, double held_back);
  // Completes the outcomes noted.
  void write();

 private:
  struct Certificate { V gradient, inverse_trace; L idle, at_bound; };
  using ParameterCount<kP>::p_;
  Certificate certify();
  L leave_centre();
  void write(int slot, const Certificate& certificate);

  const Problem& problem_;
  Arena arena_;
  V *factor_, *root_, *means_;
  Place at_;
  V gain_, held_back_;
  Outcome* outcome_[W];
  Status status_[W];
  End end_[W];
  int count_ = 0;
};

// Largest cosine between the residuals and a Jacobian column: a gradient free of every scale.
template <int kP> V cosine(const Problem& problem, const Place& at);

}  // namespace lawfit
