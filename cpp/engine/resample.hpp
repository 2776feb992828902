// Replicates of fitted data: what is drawn for each, and refits of them warm from the full fit.
#pragma once
#include <memory>

#include "covariance.hpp"
#include "draws.hpp"
#include "fit.hpp"

namespace lawfit {

enum class Resampling { pairs, cluster, stratified, bayesian, jackknife, residual, wild, parametric, given };
enum class Errors { normal, student_t, poisson, negative_binomial, binomial };   // of parametric targets

// Where replicates come from. Row arrays cover the whole table; units are numbered from 0 within
// each group of rows.
struct Scheme {
  Resampling kind = Resampling::pairs;
  Multiplier multiplier = Multiplier::rademacher;
  const int32_t* units = nullptr;     // cluster or stratum of each row; null: every row its own
  const double* given = nullptr;      // replicates x rows: weights of the caller's own
  // New targets are centre + spread * draw, in the residual space; draws are standard normal or
  // Student's t, a multiplier of the row's unit, or taken from the pool. Of counts and shares the
  // centre is the mean, the spread a negative binomial's dispersion or a binomial's trials.
  Errors errors = Errors::normal;
  const double *centre = nullptr, *spread = nullptr, *pool = nullptr;
  const double* tail = nullptr;       // student_t: 1/nu of each row
  const uint64_t* keys = nullptr;     // per group: distinguishes its random numbers

  bool new_targets() const { return kind == Resampling::residual || kind == Resampling::wild || kind == Resampling::parametric; }
};

// Makes any replicate of any group on its own, in any order, on any thread.
class ReplicateMaker {
 public:
  ReplicateMaker(const Scheme& scheme, const int64_t* offsets, int64_t groups, int64_t rows, uint64_t seed);

  // Fills weights (or, with new targets, targets) for the group's rows. False: there is no such
  // replicate, a jackknife of fewer units.
  bool make(int64_t group, int64_t replicate, double* out) const;
  int64_t units(int64_t group) const { return unit_count_[group]; }

 private:
  const Scheme scheme_;
  const int64_t* offsets_;
  const int64_t rows_;
  const uint64_t seed_;
  std::vector<int64_t> unit_count_;
  std::vector<int64_t> members_, member_begin_;   // stratified: rows by stratum, group after group
  std::vector<int64_t> first_stratum_;            // per group: its place in member_begin_
};

struct ReplicateRequest {
  GraphView law;
  TableView table;
  const int64_t* offsets;              // groups + 1
  int64_t groups;
  ObjectiveSpec objective;
  std::vector<double> lower, upper, guess;
  const double* warm;                  // groups x parameters
  int64_t replicates;                  // per group
  Scheme scheme;
  int64_t checked = 0;                 // replicates per group that are fitted from automatic starts, too
  const LossNumbers* numbers = nullptr;   // per group: the loss's, estimated; null: the objective's
  const LossNumbers* own(int64_t g) const { return numbers ? numbers + g : nullptr; }
};
struct ReplicateTable {                // groups x replicates
  std::vector<double> values, objective;
  std::vector<LossNumbers> numbers;    // empty unless some are estimated
  std::vector<int8_t> status;
  std::vector<uint8_t> checked;        // 0: not checked, 1: agrees, 2: a lower optimum was found and taken
};
ReplicateTable resample(const CompiledLaw& law, const ReplicateRequest& request, const FitOptions& options);

// parameters x parameters for every replicate at its own optimum `values` (groups x replicates x
// parameters) and its own numbers of the loss, if any; NaN where undefined. For the cluster kind the scheme's units are the clusters.
std::vector<double> replicate_covariances(const CompiledLaw& law, const ReplicateRequest& request, const double* values,
                                          const LossNumbers* numbers,
                                          CovarianceKind kind, bool absolute, const FitOptions& options);

}  // namespace lawfit
