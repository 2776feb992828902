// How a law can be unchanged while some of its subexpressions are multiplied by a factor: which
// powers of the factor its parameters must be multiplied by to make up for it.
#pragma once
#include <vector>

#include "graph.hpp"

namespace lawfit {

struct ScaledNode { int node; double degree; };   // multiplied by the factor to this power

// Degrees of the parameters, or nothing where none exist. Only parameters that are `movable` may
// have one other than zero. `live`: nodes that the root needs.
std::vector<double> compensating_degrees(const Graph& graph, int root, const std::vector<char>& live,
                                         const std::vector<ScaledNode>& scaled, const std::vector<bool>& movable);

}  // namespace lawfit
