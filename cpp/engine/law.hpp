// A law made ready for one call: graph, analysis and program, with the problem's constants.
#pragma once
#include <algorithm>
#include <memory>
#include <vector>

#include "analysis.hpp"
#include "objective.hpp"
#include "priors.hpp"
#include "program.hpp"

namespace lawfit {

struct TableView {
  const double* const* columns;    // per variable
  const double *y, *weight, *sigma;   // weight, sigma may be null
  int64_t rows;
};
struct ObjectiveSpec {
  Space space;
  Loss loss;
  double scale, tail;          // the loss's numbers: see LossShape
  bool free_scale = false, free_tail = false;   // estimated with the law's parameters
  bool estimates() const { return free_scale || free_tail; }
};

// Positive and finite throughout: the logarithms exist.
bool all_positive(const double* values, int64_t rows);
std::vector<bool> positive_columns(int variables, const TableView& table);

struct CompiledLaw {
  CompiledLaw(const GraphView& view, const std::vector<bool>& positive, const std::vector<double>& lower, const std::vector<double>& upper);
  CompiledLaw(const GraphView& view, const TableView& table, const std::vector<double>& lower, const std::vector<double>& upper);
  Graph graph;
  int root;
  Analysis analysis;
  Program centred;      // what the solver runs
  Program natural;      // value and Jacobian as the user sees them
  bool exponential_target;
  std::vector<Prior> priors;
  // Rows that determine all parameters at least: priors say something, too.
  int64_t least_rows() const { return std::max<int64_t>(natural.parameters - static_cast<int64_t>(priors.size()), 1); }
};

}  // namespace lawfit
