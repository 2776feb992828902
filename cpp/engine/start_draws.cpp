// Where nodes lie: on the scales that the law and the data give each nonlinear parameter, or around
// what has been found.
#include <algorithm>
#include <cmath>

#include "starts.hpp"

namespace lawfit {

namespace {
constexpr double kAtInfinity = 100;          // a scale of so many times the largest value might as well be infinite

double log_uniform(double u, double low, double high) { return low * std::pow(high / low, u); }
// Splits one uniform number into a choice with probability `share` and a fresh uniform number.
bool choose(double& u, double share) {
  if (u < share) { u /= share; return true; }
  u = (u - share) / (1 - share);
  return false;
}
}  // namespace

void StartMaker::column_ranges(const TableData& table, int64_t begin, int64_t count) {
  for (int k : nonlinear_) {
    smallest_[k] = 0; largest_[k] = 1; closest_[k] = 1;
    const int c = plan_.kept_of_role[k];
    if (c < 0) continue;
    double low = infinity, high = -infinity, near = infinity;
    for (int64_t r = begin; r < begin + count; ++r) {
      double x = table.columns[c][r];
      if (plan_.logged[k]) x = std::exp(x);
      if (!std::isfinite(x)) continue;
      low = std::min(low, x);
      high = std::max(high, x);
      if (x != 0) near = std::min(near, std::fabs(x));
    }
    if (!(high >= low)) continue;
    smallest_[k] = low; largest_[k] = high;
    closest_[k] = std::isfinite(near) ? near : 1;
  }
}

double StartMaker::draw_one(int k, double u, int node) const {
  const ParameterRole& role = plan_.analysis->roles[k];
  const double guess = plan_.guess[k];
  if (std::isfinite(guess) && (node == 0 || choose(u, 0.5)))
    return node == 0 ? guess : guess != 0 ? guess * log_uniform(u, 0.33, 3) : 2 * u - 1;
  const double low = smallest_[k], high = largest_[k], size = column_size(k);
  switch (role.role) {
    case Role::exponent: {
      // Laws mostly decay: an exponent that enters with a minus sign is mostly positive.
      const double decay = role.sign < 0 ? 0.8 : role.sign > 0 ? 0.35 : 0.6;
      return choose(u, decay) ? log_uniform(u, 0.03, 3) : -log_uniform(u, 0.03, 2);
    }
    case Role::rate: {
      const double slowest = 0.03 / size, fastest = std::max(10 / size, std::min(3 / closest_[k], 1e6 / size));
      const double positive = role.sign < 0 ? 0.85 : role.sign > 0 ? 0.25 : 0.6;
      return (choose(u, positive) ? 1 : -1) * log_uniform(u, slowest, fastest);
    }
    case Role::location: {
      const double range = std::max(high - low, 1e-3 * size);
      if (role.sign > 0) {   // x + p: a shift to the left, or a pole between zero and the data, or just beyond or among them
        if (low > 0 && choose(u, 0.1)) return -low * log_uniform(u, 1e-3, 1);
        if (choose(u, 0.05)) return -high - range * log_uniform(u, 1e-3, 1);
        return choose(u, 0.7) ? log_uniform(u, 1e-3, 10) * range - std::min(low, 0.0) : -low + range * (1.5 * u - 1);
      }
      // x - p: within the data, beyond them, or just below the least of them, where a pole may be.
      if (choose(u, 0.2)) return low - closest_[k] * log_uniform(u, 1e-3, 3);
      return choose(u, 0.7) ? low + range * (1.2 * u - 0.1) : low + range * (4 * u - 2.5);
    }
    case Role::scale:
      if (plan_.lower[k] < 0 && choose(u, 0.1)) return -log_uniform(u, size, 30 * size);
      if (choose(u, 0.1)) return closest_[k] * log_uniform(u, 1e-4, 0.1);   // almost zero
      return choose(u, 0.6) ? log_uniform(u, closest_[k] / 10, size * 10) : log_uniform(u, size, size * 1e8);
    case Role::log_amplitude: return choose(u, 0.5) ? target_size_ + 5 * u - 4 : 16 * u - 6;
    case Role::offset:   // beside a power of a centred column, which is of any size on either side of one
      if (plan_.lower[k] >= 0 && choose(u, 0.5)) return log_uniform(u, 1e-5, 1e5);
      return choose(u, 0.5) ? 10 * u - 5 : target_size_ * (4 * u - 2);
    default: return (choose(u, 0.75) ? 1 : -1) * log_uniform(u, 0.02, 50);
  }
}

double StartMaker::column_size(int k) const { return std::max({std::fabs(smallest_[k]), std::fabs(largest_[k]), 1e-300}); }

// A scale or a location at infinity, or a rate at zero: the data have lost hold of it.
bool StartMaker::on_edge(int k, double value) const {
  const Role role = plan_.analysis->roles[k].role;
  const double sizes = std::fabs(value) / column_size(k), rate = std::fabs(value) * column_size(k);
  return ((role == Role::scale || role == Role::location) && sizes > kAtInfinity) || (role == Role::rate && rate < 1 / kAtInfinity);
}
// Back among the data or, where a bound does not forbid it, at the other side, where the law goes on.
double StartMaker::off_edge(int k, double value, double u) const {
  const Role role = plan_.analysis->roles[k].role;
  const bool another_side = role != Role::location && (value > 0 ? plan_.lower[k] < 0 : plan_.upper[k] > 0);
  if (!another_side) return draw_one(k, u, 1);
  const double size = column_size(k);
  return std::copysign(role == Role::scale ? log_uniform(u, 1, 30) * size : log_uniform(u, 0.03, 3) / size, -value);
}
bool StartMaker::any_on_edge(const TableData& table, int64_t begin, int64_t count, const double* natural) {
  column_ranges(table, begin, count);
  return std::any_of(nonlinear_.begin(), nonlinear_.end(), [&](int k) { return on_edge(k, natural[k]); });
}

// A term that is absent may come back anywhere, also as one that only the outermost rows feel.
double StartMaker::draw_unfelt(int k, double u) const {
  const bool steep = plan_.analysis->roles[k].role == Role::exponent && choose(u, 0.4);
  return steep ? (choose(u, 0.8) ? 1 : -1) * log_uniform(u, 3, 30) : draw_one(k, u, 1);
}

// About half of the coordinates move, by up to a few e-folds or the like in their own units.
double StartMaker::scatter_one(int k, double u) const {
  const double centre = centre_[k];
  if (unfelt_[k]) return draw_unfelt(k, u);
  if (choose(u, 0.4)) return centre;
  if (on_edge(k, centre) && choose(u, 0.5)) return off_edge(k, centre, u);
  const double side = 2 * u - 1;
  switch (plan_.analysis->roles[k].role) {
    case Role::exponent: case Role::log_amplitude: case Role::offset: return centre + side * std::max(0.7 * std::fabs(centre), 0.5);
    case Role::location:
      if (choose(u, 0.5)) return centre + (2 * u - 1) * 0.5 * std::max(largest_[k] - smallest_[k], 1e-3 * std::fabs(centre));
      [[fallthrough]];
    default: return centre != 0 ? centre * std::exp(1.8 * (2 * u - 1)) : side;
  }
}

void StartMaker::draw(int node, double* unit, double* theta) {
  sobol_->point(node, unit);
  for (int k : linear_parameters_) theta[k] = 0;
  for (size_t i = 0; i < nonlinear_.size(); ++i) {
    const int k = nonlinear_[i];
    const double low = plan_.lower[k], high = plan_.upper[k];
    double value = centre_ ? scatter_one(k, unit[i]) : draw_one(k, unit[i], node);
    if (value < low || value > high) {
      if (std::isfinite(low) && std::isfinite(high)) value = low + unit[i] * (high - low);
      else value = value < low ? low + std::fabs(value - low) : high - std::fabs(value - high);
      value = std::clamp(value, low, high);
    }
    theta[k] = value;
  }
  if (!centre_) centre_natural(theta);
}

// Locations within the data, and guesses, are drawn in natural coordinates; all else in centred ones.
void StartMaker::centre_natural(double* theta) {
  if (natural_.empty()) return;
  std::copy_n(theta, p_, scratch_.data());
  shift_centre(centring_, scratch_.data(), means_.data(), 1);
  for (int k : natural_) theta[k] = scratch_[k];
}

}  // namespace lawfit
