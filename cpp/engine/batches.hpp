// Several batches, each on a table of its own, in one call.
#pragma once
#include "batch.hpp"

namespace lawfit {

// One vector a request, as fit_batch gives it. Limits and progress are those of the whole call.
std::vector<std::vector<FitTable>> fit_batches(const std::vector<BatchRequest>& requests, const FitOptions& options);

}  // namespace lawfit
