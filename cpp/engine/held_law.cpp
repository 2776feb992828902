#include "held_law.hpp"

namespace lawfit {

HeldLaw::HeldLaw(const GraphView& law, const std::vector<char>& held)
    : op(law.op, law.op + law.nodes), a(law.a, law.a + law.nodes), b(law.b, law.b + law.nodes), c(law.c, law.c + law.nodes),
      value(law.value, law.value + law.nodes), variables(law.variables) {
  std::vector<int32_t> place(held.size());
  for (size_t k = 0; k < held.size(); ++k) place[k] = held[k] ? variables++ : parameters++;
  for (int i = 0; i < law.nodes; ++i) {
    if (op[i] != static_cast<int32_t>(Op::PARAM) || a[i] < 0 || a[i] >= static_cast<int32_t>(held.size())) continue;
    if (held[a[i]]) op[i] = static_cast<int32_t>(Op::VAR);
    a[i] = place[a[i]];
  }
}

GraphView HeldLaw::view() const {
  return {op.data(), a.data(), b.data(), c.data(), value.data(), static_cast<int>(op.size()), parameters, variables};
}

}  // namespace lawfit
