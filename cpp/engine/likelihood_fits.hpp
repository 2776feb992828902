// Fits of one law to groups of rows, whatever its loss: those whose loss has numbers to estimate take
// two rounds of GroupFits and a joint fit after each.
#pragma once
#include "group_fits.hpp"
#include "joint_fit.hpp"

namespace lawfit {

void fit_groups(const CompiledLaw& law, const FitRequest& request, const FitOptions& options, Cancellation& cancelled, FitTable& out);

}  // namespace lawfit
