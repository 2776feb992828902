// Covariances of fitted parameters, and which parameters the data cannot tell apart.
#pragma once
#include "row_model.hpp"
#include "solver.hpp"

namespace lawfit {

enum class CovarianceKind { jacobian, hessian, sandwich, cluster };

struct CovarianceRequest {
  CovarianceKind kind;
  bool absolute;                       // sigma is known, so no scale is estimated
  int64_t begin, count;                // rows
  const int32_t* clusters = nullptr;   // of each row of the range, numbered from 0
  // A replicate's: weights of its rows, how often each was drawn (weights are in proportion), targets.
  const double *weight = nullptr, *frequency = nullptr, *target = nullptr;
  const LossNumbers* own = nullptr;    // the loss's numbers where they are not the objective's
};

// parameters x parameters into `out`; NaN where undefined: parameters on a bound, no degrees of
// freedom, or a singular matrix. Likelihoods know their scale: the Hessian's kind is the inverse of the
// observed information, jointly with the loss's estimated numbers; weights count relative to their mean.
// `numbers`, if given, receives the variances of the estimated numbers, of Density's derivatives.
void covariance(RowModel& model, const double* parameters, const int8_t* active, const CovarianceRequest& request, double* out, int p,
                double* numbers = nullptr);

// The hat matrix's diagonal for rows [begin, begin + count) of the weighted least-squares problem in
// the residual space: how much each row pulls its own fitted value, whatever the loss; of counts and
// shares the one weighted with Fisher's information.
void leverages(RowModel& model, Space space, const double* parameters, const int8_t* active, int p, int64_t begin, int64_t count, double* out);

// Trace of the scaled Gram matrix's inverse up to which rank need not be looked into.
constexpr double kSoundInverse = 1e8;
// Row i of `tradeoff` marks the parameters that i trades off with, itself when the fitted values do
// not feel it at all. True when there are any: the scaled Jacobian of the parameters that no bound
// holds does not have full rank, or hardly has while some of them ran off, or one of its columns says nothing.
bool find_tradeoffs(RowModel& model, const Problem& problem, const double* parameters, const int8_t* active, const RowView& range,
                    uint8_t* tradeoff);

}  // namespace lawfit
