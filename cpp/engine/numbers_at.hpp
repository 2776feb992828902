// The best numbers of a likelihood at parameters that are given.
#pragma once
#include "law.hpp"
#include "objective.hpp"

namespace lawfit {

struct NumbersAt {
  double objective;      // joint, as of a fit; NaN where there are none
  LossNumbers numbers;
};
NumbersAt numbers_at(const CompiledLaw& law, const TableView& table, const ObjectiveSpec& objective, const double* parameters);

}  // namespace lawfit
