// The numbers of a likelihood that belong to no law: the dispersion of counts, scale and tail of
// Student's t. Minus log densities with everything that depends on them, and their derivatives.
#pragma once
#include <vector>

#include "row_model.hpp"

namespace lawfit {

constexpr int kMostNuisance = 2;
constexpr double kHeaviestTail = 1;   // nu = 1: below it the density of few rows grows without end

// Minus the log density of one datum up to terms that no parameter enters, by the likelihood's
// numbers. `cross`: derivative of slope/slope by each, as a factor of the row's slope.
struct Density {
  double value = 0;
  double first[kMostNuisance] = {}, second[3] = {};   // second: (0, 0), (1, 0), (1, 1)
  double cross[kMostNuisance] = {};
};
// Negative binomial with mean m and variance m + dispersion m^2, by the dispersion (0: Poisson).
Density count_density(double m, double y, double dispersion);
// Student's t at the standardised residual's square u, by log scale and tail = 1/nu (0: normal).
Density student_density(double u, double scale, double tail);

// Which numbers of an objective are estimated, in the order of Density's derivatives.
struct NuisanceView {
  explicit NuisanceView(const ObjectiveSpec& objective);
  int count = 0;
  int place[kMostNuisance] = {};    // of Density's derivatives
};

// Sums over rows at one parameter vector: joint objective, gradient and second derivatives by the
// estimated numbers, and per row the derivatives that go with the law's parameters.
struct NuisanceSums {
  double value = 0, first[kMostNuisance] = {}, second[kMostNuisance][kMostNuisance] = {};
  std::vector<double> score[kMostNuisance], cross[kMostNuisance];   // by row: of the value, of the slope
};
// model, slope: the rows' own, as RowModel::rows() gives them.
NuisanceSums nuisance_sums(RowModel& rows, const RowView& range, const std::vector<double>& model, const std::vector<double>& slope);

// What the densities have on top of the pointwise loss, summed over rows: joint objective minus objective.
double density_offset(RowModel& rows, const RowView& range);

}  // namespace lawfit
