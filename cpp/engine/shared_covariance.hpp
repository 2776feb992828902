// Covariances of a joint fit. The inverse of an arrow-shaped matrix needs the small matrix that is
// left of the shared parameters and, for every group, its own block and its coupling: cost and
// memory are linear in the groups.
#pragma once
#include "covariance.hpp"

namespace lawfit {

struct SharedCovarianceRequest {
  const int64_t* offsets;              // groups + 1
  int64_t groups;
  const std::vector<char>& shared;     // per parameter
  CovarianceKind kind;
  bool absolute;
  const int32_t* clusters;             // of each row of the table; may span groups; null: rows
  int threads;
};

struct SharedCovariances {
  std::vector<double> groups;          // groups x parameters x parameters, NaN where undefined
  double freedom = not_a_number;       // rows less parameters that they determine
  double scatter = not_a_number;       // weighted sum of squares, each row counted by its majoriser
  double determined = 0;               // parameters of all groups together, shared ones once
};

// values, active: groups x parameters; shared entries equal in all groups.
SharedCovariances shared_covariances(const CompiledLaw& law, const TableView& table, const ObjectiveSpec& objective,
                                     const SharedCovarianceRequest& request, const double* values, const int8_t* active);

// Per parameter: shared, and not determined by all groups together.
std::vector<uint8_t> lost_shared(const CompiledLaw& law, const TableView& table, const ObjectiveSpec& objective,
                                 const SharedCovarianceRequest& request, const double* values, const int8_t* active);

}  // namespace lawfit
