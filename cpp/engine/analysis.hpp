// What the structure of a law tells the solver: which parameters enter linearly, which
// data columns can be centred exactly, and on what scale each parameter lives.
#pragma once
#include <vector>

#include "centring.hpp"

namespace lawfit {

// log_amplitude: enters as exp(p) or a term of a log-sum-exp; offset: is added to a slope.
enum class Role { linear, exponent, rate, location, scale, log_amplitude, offset, generic };
struct ParameterRole {
  Role role = Role::generic;
  int node = -1;          // the data-only node that sets the parameter's scale, if any
  int sign = 0;           // sign with which an exponent or rate enters, 0 if both occur
};

struct Analysis {
  std::vector<int> jacobian;                 // node per parameter, kZero where absent
  std::vector<std::vector<int>> hessian;     // [i][j], j <= i
  std::vector<bool> linear;                  // jointly linear given the others
  std::vector<ParameterRole> roles;
  Centring centring;
};

// movable[k]: parameter k has no finite bound other than 0, so an amplitude may be rescaled;
// unbounded[k]: no finite bound at all, so an offset may be shifted.
Analysis analyse(Graph& graph, int root, int parameters, const std::vector<bool>& movable,
                 const std::vector<bool>& unbounded, bool second_order);

}  // namespace lawfit
