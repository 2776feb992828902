// One fit of all groups at once: some parameters common to them, the others each group's own.
//
// candidates for the shared values (from independent fits of the groups, from all rows together,
// or given) -> own parameters refitted with the shared ones held -> joint descent of the best ->
// own parameters searched again from fresh starts, as long as that finds something -> certificate
#pragma once
#include "fit.hpp"
#include "shared_descent.hpp"

namespace lawfit {

struct SharedRequest {
  GraphView law;
  TableView table;                 // rows group after group
  const int64_t* offsets;          // groups + 1
  int64_t groups;
  ObjectiveSpec objective;
  std::vector<double> lower, upper, guess;
  std::vector<char> shared;        // per parameter
  StartRequest starts;
};

struct SharedTable {
  SharedTable(int parameters, int64_t count) : groups(parameters, count), shared_active(parameters, 0), shared_lost(parameters, 0) {}
  FitTable groups;                 // a row per group; shared parameters are equal in all of them
  double objective = not_a_number, gradient_norm = not_a_number, second_objective = not_a_number;
  Status status = Status::too_few_points;
  int32_t iterations = 0, n_starts = 0, n_converged = 0, n_best = 0;
  std::vector<int8_t> shared_active;     // per parameter, 0 for own ones
  std::vector<uint8_t> shared_lost;      // per parameter: shared and not told by the data
};

// The joint fit's program: no shared parameter takes part in the centring of one group's columns.
CompiledLaw shared_program(const SharedRequest& request);

SharedTable fit_shared(const SharedRequest& request, const FitOptions& options);

}  // namespace lawfit
