// Steps of a likelihood's one or two numbers, from a quadratic of what is left of the objective.
#pragma once
#include <algorithm>

#include "nuisance.hpp"

namespace lawfit {

// Derivatives by the logarithms of the numbers, and how far these may go; held ones stay.
struct NumberSystem {
  int count;
  bool held[kMostNuisance];
  double gradient[kMostNuisance], second[kMostNuisance][kMostNuisance];
  double least[kMostNuisance], most[kMostNuisance];

  double within(int k, double by) const { return held[k] ? 0 : std::clamp(by, least[k], most[k]); }
  double change(const double* by) const {   // of the quadratic
    double sum = 0;
    for (int k = 0; k < count; ++k) {
      sum += gradient[k] * by[k];
      for (int j = 0; j < count; ++j) sum += 0.5 * second[k][j] * by[k] * by[j];
    }
    return sum;
  }
};

// The least of the quadratic within the box, which unlike a step cut off at its sides goes downhill;
// false where the matrix is no minimum's.
bool newton(const NumberSystem& system, double* by);
// Where there is no minimum to aim at, each number goes downhill by itself.
void downhill(const NumberSystem& system, double* by);

}  // namespace lawfit
