// A batch of fits of one program, W at a time. A lane that finishes is refilled at once.
//
// far:    Gauss-Newton on the loss's majoriser (reweighted least squares), identity damping in
//         log parameters: reaches the neighbourhood of an optimum from starts that are orders of
//         magnitude away.
// finish: the real loss with its own curvature and the model's second derivatives, in natural
//         scale with closed bounds; kinks and small deltas are approached by continuation.
#pragma once
#include <atomic>
#include <vector>

#include "cancellation.hpp"
#include "damping.hpp"
#include "evaluate.hpp"
#include "priors.hpp"
#include "status.hpp"

namespace lawfit {

struct Problem {
  const Program* program;
  const Centring* centring;
  Space space;
  Loss loss;
  double scale;                          // delta of the loss
  double tail;                           // its second number: see LossShape
  std::vector<double> lower, upper;
  std::vector<double> typical;           // size of an O(1) change, for parameters not in log metric
  std::vector<char> log_metric, linear;
  std::vector<Prior> priors = {};
  bool retraces = false;                 // starts are few: failed steps are looked into
  bool leaps = false;                    // starts are as good as any: they may jump ahead, into other basins
  int parameters() const { return program->parameters; }
  bool multiplies(int parameter) const { return !(typical[parameter] > 0); }   // valleys are straight in its logarithm
};

struct Job {
  int64_t begin, count;
  const double* weight;                  // rows' weights, or null for the table's own
  const double* start;                   // natural scale
  double relax;                          // loss scale to start from; 0: the target
  double sharpest = 0;                   // least smoothing of kinks that rounding leaves meaningful
  bool cautious = false;                 // finish: begin with short reweighted steps
  bool widened = false;                  // the loss is approached from a wide scale
  bool narrowed = false;                 // its kinks are smoothed so little that the nearest of their optima is found
  const double* target = nullptr;        // rows' T(y), or null for the table's own
  const LossNumbers* own = nullptr;      // the loss's numbers for this job, or null for the problem's
};

// The loss's numbers that a job is fitted with.
inline LossNumbers numbers_of(const Problem& problem, const Job& job) { return job.own ? *job.own : LossNumbers{problem.scale, problem.tail}; }

struct Outcome {                         // natural scale, except that `active` is -1, 0, +1
  double* parameters;
  int8_t* active;
  double objective, gradient_norm, spread;   // spread: typical size of a residual
  int32_t iterations;
  Status status;
  bool moved;
  bool settled = false;                  // nothing is left for the finish to do
  double inverse_trace = infinity;       // of the inverse of the Gram matrix scaled to unit diagonal
};

// Which of its closed bounds a value lies on.
inline int8_t bound_side(double value, double lower, double upper) { return value <= lower ? -1 : value >= upper ? 1 : 0; }

struct Limits {
  double tolerance = 1e-9;
  int far_iterations = 120, finish_iterations = 500;
  bool precise = false;
  Cancellation* cancelled = nullptr;              // set by the caller
  double deadline = 0;                            // seconds of steady clock; 0: none
};

// Hands out jobs to workers, in the order given.
struct JobQueue {
  const int64_t* order = nullptr;
  int64_t end = 0;
  std::atomic<int64_t> next{0};
  int64_t take() {
    const int64_t k = next.fetch_add(1, std::memory_order_relaxed);
    return k < end ? order[k] : -1;
  }
};

enum class Stage { far, finish };

class Solver {
 public:
  virtual ~Solver() = default;
  // Never throws and never allocates.
  virtual void run(const TableData& table, const Job* jobs, Outcome* outcomes, JobQueue& queue, const Limits& limits) = 0;
};
// The one for the problem's number of parameters.
std::unique_ptr<Solver> make_solver(const Problem& problem, Stage stage, int64_t capacity, bool weighted, bool with_sigma, Layout layout);

}  // namespace lawfit
