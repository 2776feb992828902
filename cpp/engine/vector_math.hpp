// Elementary and special functions on vectors of doubles, one call for all lanes.
//
// What every function promises: NaN in gives NaN out; infinities and zeros give the limit; no
// lane's result depends on its neighbours (a lane that needs the rare path leaves the others'
// bits alone); rounding mode and floating-point control are never touched.
// The largest errors, in units of the last place, are asserted in tests/cpp/test_vector_math.cpp.
#pragma once
#include "vector_elementary.hpp"
#include "vector_special.hpp"
