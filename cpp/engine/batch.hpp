// Many fits in one call: laws x objectives x subsets x groups. Groups are cut into units of a few
// ten thousand rows, which workers take one after the other; a fit depends on its own rows alone,
// so neither the cut nor the number of workers shows in the results.
#pragma once
#include <vector>

#include "fit.hpp"

namespace lawfit {

struct BatchLaw {
  GraphView view;
  std::vector<int> columns;        // of the table, per variable
  std::vector<double> lower, upper, guess;
  StartRequest starts;
};
struct Subset {
  const int64_t* rows;             // row numbers sorted by group; null: the table as it stands
  const int64_t* offsets;          // groups + 1, into rows
};
struct BatchRequest {
  TableView table;
  std::vector<BatchLaw> laws;
  std::vector<ObjectiveSpec> objectives;
  std::vector<Subset> subsets;
  int64_t groups;
};

std::vector<FitTable> fit_batch(const BatchRequest& request, const FitOptions& options);

}  // namespace lawfit
