// Replicates of a joint fit: what is drawn for each, and joint refits of them warm from the full fit.
#pragma once
#include "resample.hpp"
#include "shared_fit.hpp"

namespace lawfit {

struct SharedReplicates {
  const double* warm;                  // groups x parameters
  int64_t count;
  Scheme scheme;                       // one that draws weights
  bool within_groups;                  // every group draws its own; else the table as a whole
};
struct SharedReplicateTable {
  std::vector<double> values;          // groups x replicates x parameters; NaN where a group was not drawn
  std::vector<double> objective;       // replicates: joint
  std::vector<int8_t> status;          // replicates: joint
};
SharedReplicateTable resample_shared(const SharedRequest& request, const SharedReplicates& replicates, const FitOptions& options);

}  // namespace lawfit
