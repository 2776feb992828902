// Log densities of the likelihoods with numbers of their own: derivatives against differences, and
// values against the Gamma function.
#include <cmath>

#include "../../cpp/engine/nuisance.hpp"
#include "check.hpp"

using lawfit::count_density;
using lawfit::Density;
using lawfit::student_density;

namespace {
bool close(double a, double b, double tolerance, double floor = 0) { return std::fabs(a - b) <= tolerance * std::fabs(b) + floor; }

double exact_count(double m, double y, double a) {   // without log y!
  const double k = 1 / a;
  return -(std::lgamma(y + k) - std::lgamma(k) + y * std::log(a * m / (1 + a * m)) - k * std::log1p(a * m));
}
}   // namespace

TEST(count_densities_are_those_of_the_gamma_function) {
  for (double a : {0.01, 0.3, 2.0, 50.0})
    for (double m : {0.2, 3.0, 80.0, 2e4})
      for (double y : {0.0, 1.0, 7.0, 47.0, 48.0, 49.0, 60.0, 1000.0, 123456.0})
        CHECK(close(count_density(m, y, a).value, exact_count(m, y, a), 1e-9, 1e-9));
  for (double y : {0.0, 5.0, 300.0}) CHECK(close(count_density(4, y, 0).value, 4 - y * std::log(4), 1e-13));   // Poisson
}

TEST(count_derivatives_are_differences) {
  for (double a : {1e-6, 1e-3, 0.019, 0.021, 0.5, 4.0})
    for (double m : {0.2, 3.0, 80.0, 3000.0})
      for (double y : {0.0, 2.0, 47.0, 90.0, 4000.0}) {
        const double h = 1e-4 * (a + 1e-3 / (m + y + 1));
        const Density at = count_density(m, y, a), up = count_density(m, y, a + h), down = count_density(m, y, a - h);
        const double size = std::fabs(at.value) + m + y;
        CHECK(close((up.value - down.value) / (2 * h), at.first[0], 1e-5, 1e-13 * size / h));
        CHECK(close((up.first[0] - down.first[0]) / (2 * h), at.second[0], 1e-5, 1e-12 * (std::fabs(at.first[0]) + m * m + y * y) / h));
        // Of the slope (m - y)/(m (1 + a m)).
        const auto slope = [&](double d) { return (m - y) / (m * (1 + d * m)); };
        CHECK(close((slope(a + h) - slope(a - h)) / (2 * h), at.cross[0] * slope(a), 1e-5, 1e-10));
      }
}

TEST(student_densities_are_those_of_the_gamma_function) {
  for (double nu : {0.7, 1.0, 3.0, 39.0, 41.0, 200.0})
    for (double u : {0.0, 0.1, 4.0, 1e4}) {
      const double exact = std::log(0.3) + std::lgamma(nu / 2) - std::lgamma((nu + 1) / 2) + 0.5 * std::log(nu * M_PI) +
                           0.5 * (nu + 1) * std::log1p(u / nu);
      CHECK(close(student_density(u, 0.3, 1 / nu).value, exact, 1e-12));
    }
  CHECK(close(student_density(4, 1, 0).value, 0.5 * std::log(2 * M_PI) + 2, 1e-15));   // normal
}

TEST(student_derivatives_are_differences) {
  const double h = 1e-5;
  for (double tail : {2e-5, 0.01, 0.0249, 0.0251, 0.3, 1.0})
    for (double z : {0.0, 0.3, 1.0, 3.0, 20.0}) {
      const double scale = 0.4;
      const auto density = [&](double eta, double t) { return student_density(z * z * std::exp(-2 * eta), scale * std::exp(eta), t); };
      const Density at = density(0, tail);
      const double k = 1e-4 * tail, rounding = 1e-14 * (1 + z * z * z * z) / h, finer = 1e-14 * (1 + z * z * z * z) / k;
      CHECK(close((density(h, tail).value - density(-h, tail).value) / (2 * h), at.first[0], 1e-6, rounding));
      CHECK(close((density(0, tail + k).value - density(0, tail - k).value) / (2 * k), at.first[1], 1e-6, finer));
      CHECK(close((density(h, tail).first[0] - density(-h, tail).first[0]) / (2 * h), at.second[0], 1e-6, rounding));
      CHECK(close((density(0, tail + k).first[0] - density(0, tail - k).first[0]) / (2 * k), at.second[1], 1e-6, finer));
      CHECK(close((density(0, tail + k).first[1] - density(0, tail - k).first[1]) / (2 * k), at.second[2], 1e-5, 10 * finer * (1 + z * z)));
      // Of the slope (1 + tail) r/(s^2 + tail r^2) by log scale and by tail.
      const double r = z * scale;
      const auto slope = [&](double eta, double t) { const double s = scale * std::exp(eta); return (1 + t) * r / (s * s + t * r * r); };
      CHECK(close((slope(h, tail) - slope(-h, tail)) / (2 * h), at.cross[0] * slope(0, tail), 1e-6, 1e-8));
      CHECK(close((slope(0, tail + k) - slope(0, tail - k)) / (2 * k), at.cross[1] * slope(0, tail), 1e-5, 1e-6 + finer));
    }
}

int main() { return check::run_tests(); }
