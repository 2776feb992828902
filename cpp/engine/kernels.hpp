// One compiled loop per operation and operand kind: the instruction set of the programs.
#pragma once
#include "graph.hpp"

namespace lawfit {

// out[k] = op(a[k], b[k], c[k]) for k < count vectors; a uniform operand is one vector.
using Kernel = void (*)(double* out, const double* a, const double* b, const double* c, int count);
Kernel kernel(Op op, bool a_uniform, bool b_uniform, bool c_uniform);

}  // namespace lawfit
