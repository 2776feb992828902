// A law as register code. Work is split by how often it must be done: `data` once per data
// set, `once` once per parameter vector, `points` for every data point.
#pragma once
#include <vector>

#include "analysis.hpp"

namespace lawfit {

struct Slot {
  enum Kind : uint8_t { none, uniform, column, block };
  Kind kind = none;
  int index = -1;
};
struct Instruction {
  Op op;
  Slot out, a, b, c;
};
struct HessianEntry { int i, j; Slot slot; };   // j <= i

// Instructions are ordered by what they serve: value, the Jacobian's columns of linear parameters, its
// others, Hessian.
constexpr int kTiers = 4;
enum class Tier { value = 0, linear = 1, jacobian = 2, hessian = 3 };

struct Program {
  int parameters = 0;
  std::vector<Instruction> data;      // over rows; slots are `column`
  std::vector<Instruction> once, points;
  int once_end[kTiers] = {}, points_end[kTiers] = {};   // prefix lengths per tier
  std::vector<std::pair<int, int>> inputs;          // column register <- variable
  std::vector<std::pair<int, double>> constants;    // uniform register <- value
  std::vector<std::pair<int, double>> data_constants;   // column register <- value
  std::vector<int> kept;              // column registers that the points read, in tile order
  std::vector<int> kept_nodes;        // the graph nodes they hold
  std::vector<int> centre_of;         // per kept column: index of its centring, or -1
  int data_registers = 0, uniforms = 0, blocks = 0;
  Slot value;                         // `column` slots below index `kept`
  std::vector<Slot> jacobian;         // none where the derivative vanishes identically
  std::vector<int> linear;            // parameters that the law is linear in, given the others
  std::vector<HessianEntry> hessian;
  bool has_hessian = false;
};

// Programs larger than this do without second derivatives.
constexpr int kLargestProgram = 4000;

Program compile(Graph& graph, int root, const Analysis& analysis, bool centred, bool with_jacobian, bool with_hessian);

}  // namespace lawfit
