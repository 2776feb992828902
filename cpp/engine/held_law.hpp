// A law with some of its parameters turned into data columns, so that the others can be fitted by
// the ordinary means while those are held.
#pragma once
#include "graph.hpp"

namespace lawfit {

struct HeldLaw {
  HeldLaw(const GraphView& law, const std::vector<char>& held);
  GraphView view() const;
  std::vector<int32_t> op, a, b, c;
  std::vector<double> value;
  int parameters = 0, variables = 0;   // held parameters are the last variables, in their order
};

}  // namespace lawfit
