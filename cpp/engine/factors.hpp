// Derivatives are sums of products whose factors recur: A*x, A*x*log N, A*x*(log N)**2. Taken apart
// into factors and put together again, what most products have in common is multiplied once.
#pragma once
#include "analysis.hpp"

namespace lawfit {

// Writes the Jacobian and the Hessian of the analysis anew, over fewer operations. The value keeps
// its form, but that what was divided by parameters is multiplied by their reciprocals; returns its
// node. In derivatives that had guarded products (MUL0, DIV0) all products are guarded.
int share_factors(Graph& graph, int root, Analysis& analysis);

}  // namespace lawfit
