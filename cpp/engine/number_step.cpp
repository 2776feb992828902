#include "number_step.hpp"

#include <cmath>

namespace lawfit {

bool newton(const NumberSystem& system, double* by) {
  double g[kMostNuisance] = {}, h[kMostNuisance][kMostNuisance] = {{1, 0}, {0, 1}};
  for (int k = 0; k < system.count; ++k) {
    if (system.held[k]) continue;
    g[k] = system.gradient[k];
    for (int j = 0; j < system.count; ++j) if (!system.held[j]) h[k][j] = system.second[k][j];
  }
  const double determinant = h[0][0] * h[1][1] - h[0][1] * h[1][0];
  if (!(h[0][0] > 0) || !(determinant > 1e-12 * h[0][0] * std::fabs(h[1][1]))) return false;
  by[0] = -(h[1][1] * g[0] - h[0][1] * g[1]) / determinant;
  by[1] = -(h[0][0] * g[1] - h[1][0] * g[0]) / determinant;
  double best = infinity, side[kMostNuisance][kMostNuisance] = {};
  int lowest = -1;
  for (int k = 0; k < system.count; ++k) {   // along the side that number k meets
    const double at = system.within(k, by[k]);
    if (at == by[k] || system.held[k]) continue;
    const int other = 1 - k;
    side[k][k] = at;
    if (system.count > 1) side[k][other] = system.within(other, -(g[other] + h[other][k] * at) / h[other][other]);
    if (const double change = system.change(side[k]); change < best) {
      best = change;
      lowest = k;
    }
  }
  if (lowest >= 0) std::copy_n(side[lowest], kMostNuisance, by);
  return true;
}

void downhill(const NumberSystem& system, double* by) {
  for (int k = 0; k < system.count; ++k) {
    const double g = system.gradient[k], h = system.second[k][k];
    by[k] = system.within(k, h > 0 ? -g / h : g > 0 ? -1 : g < 0 ? 1 : 0);
  }
}

}  // namespace lawfit
