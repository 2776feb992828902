// lgamma, its derivatives and betaln against long double, their limits, and independence of the lanes.
#include "vector_functions.hpp"

namespace {

long double exact_gammaln(long double x) { return std::lgamma(x); }
// Recurrence up to 40, then the asymptotic series (next term below 1e-22).
long double exact_digamma(long double x) {
  if (x <= 0) {
    if (x == std::floor(x)) return x == 0 ? -inf : nan_value;
    const long double d = x - std::nearbyint(x);
    return exact_digamma(1 - x) - pi_l / std::tan(pi_l * d);
  }
  long double sum = 0;
  for (; x < 40; x += 1) sum -= 1 / x;
  const long double z = 1 / (x * x);
  const long double series =
      z * (1.L / 12 - z * (1.L / 120 - z * (1.L / 252 - z * (1.L / 240 - z * (1.L / 132 -
      z * (691.L / 32760 - z / 12))))));
  return sum + std::log(x) - 0.5L / x - series;
}
long double exact_trigamma(long double x) {
  if (x <= 0) {
    const long double d = x - std::nearbyint(x);
    if (d == 0) return inf;
    const long double s = pi_l / std::sin(pi_l * d);
    return s * s - exact_trigamma(1 - x);
  }
  long double sum = 0;
  for (; x < 40; x += 1) sum += 1 / (x * x);
  const long double z = 1 / (x * x);
  const long double series =
      z * (1.L / 6 - z * (1.L / 30 - z * (1.L / 42 - z * (1.L / 30 - z * (5.L / 66 -
      z * (691.L / 2730 - z * 7 / 6))))));
  return sum + 1 / x + 0.5L * z + series / x;
}
long double exact_tetragamma(long double x) {
  if (x <= 0) {
    const long double d = x - std::nearbyint(x);
    if (d == 0) return x == 0 ? -inf : nan_value;
    const long double s = pi_l / std::sin(pi_l * d);
    return exact_tetragamma(1 - x) - 2 * s * s * s * std::cos(pi_l * d);
  }
  long double sum = 0;
  for (; x < 40; x += 1) sum += 2 / (x * x * x);
  const long double z = 1 / (x * x);
  const long double series =
      z * (0.5L - z * (1.L / 6 - z * (1.L / 6 - z * (0.3L - z * (5.L / 6 -
      z * (691.L / 210 - z * 17.5L))))));
  return -(sum + z + z / x + z * series);
}
// What Stirling's formula leaves out of lgamma(x), x >= 40.
long double stirling(long double x) {
  const long double z = 1 / (x * x);
  return (1.L / 12 - z * (1.L / 360 - z * (1.L / 1260 - z * (1.L / 1680 - z * (1.L / 1188 -
          z * (691.L / 360360 - z / 156)))))) / x;
}
// With b the larger one: below 40 by lgamma, above with its large terms cancelled on paper.
long double exact_betaln(long double a, long double b) {
  if (a > b) std::swap(a, b);
  if (b < 40) return std::lgamma(a) + std::lgamma(b) - std::lgamma(a + b);
  const long double step = std::log1p(a / b), rest = stirling(b) - stirling(a + b);
  if (a < 40) return std::lgamma(a) + a - a * std::log(a + b) - (b - 0.5L) * step + rest;
  return (a - 0.5L) * (std::log(a / b) - step) - b * step - 0.5L * std::log(b) +
         0.5L * std::log(2 * pi_l) + stirling(a) + rest;
}

}  // namespace

TEST(gammaln_is_within_8_ulp_for_positive_numbers) {
  CHECK_ULPS(gammaln, exact_gammaln, EVENLY, 0.5, 4.5, 8);
  CHECK_ULPS(gammaln, exact_gammaln, EVENLY, 0.99, 1.01, 8);
  CHECK_ULPS(gammaln, exact_gammaln, EVENLY, 1.99, 2.01, 8);
  CHECK_ULPS(gammaln, exact_gammaln, EVENLY, 3, 200, 8);
  CHECK_ULPS(gammaln, exact_gammaln, BY_EXPONENT, 5e-324, 2e305, 8);
}
TEST(digamma_is_within_4_ulp_for_positive_numbers) {
  CHECK_ULPS(digamma, exact_digamma, EVENLY, 0.1, 1.4, 4);
  CHECK_ULPS(digamma, exact_digamma, EVENLY, 1.5, 3, 4);
  CHECK_ULPS(digamma, exact_digamma, EVENLY, 2, 60, 4);
  CHECK_ULPS(digamma, exact_digamma, BY_EXPONENT, 1e-307, 1e300, 4);
}
// Around the root long double itself cancels: its sum of terms near 4 leaves 1e-18.
TEST(digamma_is_absolutely_accurate_around_its_root) {
  Random random;
  double worst = 0;
  for (int i = 0; i < points; ++i) {
    const double x = random.uniform(1.4, 1.5);
    worst = std::fmax(worst, double(std::fabs(one_lane(digamma, x) - exact_digamma(x))));
  }
  std::printf("digamma    [1.4, 1.5] absolute %.3g\n", worst);
  CHECK(worst < 2e-17);
}
TEST(trigamma_is_within_4_ulp_for_positive_numbers) {
  CHECK_ULPS(trigamma, exact_trigamma, EVENLY, 0.1, 5, 4);
  CHECK_ULPS(trigamma, exact_trigamma, EVENLY, 1, 60, 4);
  CHECK_ULPS(trigamma, exact_trigamma, BY_EXPONENT, 1e-153, 1e300, 4);
}
TEST(tetragamma_is_within_8_ulp_for_positive_numbers) {
  CHECK_ULPS(tetragamma, exact_tetragamma, EVENLY, 0.1, 5, 8);
  CHECK_ULPS(tetragamma, exact_tetragamma, EVENLY, 1, 60, 8);
  CHECK_ULPS(tetragamma, exact_tetragamma, BY_EXPONENT, 1e-102, 1e150, 8);
}
// Where beta is 1 its logarithm changes sign: judge there by the size of the terms that cancel.
TEST(betaln_is_within_8_ulp_for_positive_numbers) {
  Random random;
  Worst near, wide;
  for (int i = 0; i < points; i += W) {
    double a[W], b[W], y[W];
    const bool close = i / W % 2 == 0;
    for (int j = 0; j < W; ++j) {
      a[j] = close ? random.uniform(0.01, 12) : random.log_uniform(1e-12, 1e9);
      b[j] = close ? random.uniform(0.01, 60) : random.log_uniform(1e-12, 1e12);
    }
    lawfit::store(y, lawfit::v_betaln(lawfit::load(a), lawfit::load(b)));
    for (int j = 0; j < W; ++j) {
      const long double exact = exact_betaln(a[j], b[j]);
      (close ? near : wide).add(ulps(y[j], exact, 1), a[j]);
    }
  }
  CHECK(near.within("betaln", "[.01, 12] x [.01, 60]", 8));
  CHECK(wide.within("betaln", "[1e-12, 1e9] x [1e-12, 1e12]", 8));
}
// For negative numbers the reflection subtracts two terms: judge by the larger.
TEST(gamma_family_reflects_for_negative_numbers) {
  Random random;
  Worst of_gammaln, of_digamma, of_trigamma, of_tetragamma;
  for (int i = 0; i < points / 10; ++i) {
    const double x = random.uniform(-50, 0);
    const long double y = exact_gammaln(x);
    of_gammaln.add(ulps(one_lane(gammaln, x), y, std::lgamma(1.L - x) + 4), x);
    of_digamma.add(ulps(one_lane(digamma, x), exact_digamma(x), exact_digamma(1.L - x)), x);
    of_trigamma.add(ulps(one_lane(trigamma, x), exact_trigamma(x)), x);
    const long double d = x - std::nearbyint(x), s = pi_l / std::sin(pi_l * d);
    of_tetragamma.add(ulps(one_lane(tetragamma, x), exact_tetragamma(x), std::fabs(s * s)), x);
  }
  CHECK(of_gammaln.within("gammaln", "[-50, 0]", 8));
  CHECK(of_digamma.within("digamma", "[-50, 0]", 8));
  CHECK(of_trigamma.within("trigamma", "[-50, 0]", 8));
  CHECK(of_tetragamma.within("tetragamma", "[-50, 0]", 16));
}

// Long double cancels too: only where the step is no small part of x is it exact enough. Judged
// by the larger of the two terms, which below 2 and 1 are subtracted as they are.
TEST(gaps_of_digamma_and_trigamma_are_within_8_ulp) {
  Random random;
  Worst of_digamma, of_trigamma;
  for (int i = 0; i < points / 4; ++i) {
    const double x = random.log_uniform(1e-3, 1e6), d = x * random.log_uniform(0.1, 100);
    using lawfit::broadcast;
    const double first = lawfit::v_digamma_gap(broadcast(x), broadcast(d))[W - 1];
    const double second = lawfit::v_trigamma_gap(broadcast(x), broadcast(d))[0];
    const long double sum = (long double)x + d;
    const long double here = exact_digamma(x), there = exact_digamma(sum);
    of_digamma.add(ulps(first, here - there, std::fabs(here)), x);
    of_trigamma.add(ulps(second, exact_trigamma(x) - exact_trigamma(sum), exact_trigamma(x)), x);
  }
  CHECK(of_digamma.within("digamma", "gap", 8));
  CHECK(of_trigamma.within("trigamma", "gap", 8));
}
TEST(a_small_gap_keeps_its_digits) {
  using lawfit::broadcast;
  for (double x : {3.0, 1e3, 1e6, 1e12}) {   // -d/x to first order in d and 1/x
    const double d = 1e-7 * x / (1 + x), gap = lawfit::v_digamma_gap(broadcast(x), broadcast(d))[0];
    const long double slope = exact_trigamma(x), bend = exact_tetragamma(x);
    CHECK(std::fabs(gap / double(-d * slope - d * d * bend / 2) - 1) < 1e-8);
    CHECK(std::fabs(lawfit::v_trigamma_gap(broadcast(x), broadcast(d))[0] / double(-d * bend) - 1) < 1e-6);
  }
}
TEST(betaln_limits_are_exact) {
  const auto value = [](double a, double b) {
    const double y = lawfit::v_betaln(lawfit::broadcast(a), lawfit::broadcast(b))[W - 1];
    const double other = lawfit::v_betaln(lawfit::broadcast(b), lawfit::broadcast(a))[0];
    CHECK(same(y, other));
    return y;
  };
  CHECK(value(1, 1) == 0);
  CHECK(value(0, 3) == inf && value(-0.0, 3) == inf && value(0, 0) == inf && value(0, 70) == inf);
  CHECK(value(inf, 3) == -inf && value(inf, inf) == -inf);
  CHECK(std::isnan(value(0, inf)));
  CHECK(value(-2, 5.5) == inf);
  CHECK(value(largest, 1e-300) > 690 && value(1e300, 1e300) < -1e300);
  for (double other : {0.0, 3.0, 70.0, inf, -inf, nan_value}) CHECK(std::isnan(value(nan_value, other)));
}
TEST(no_lane_of_betaln_depends_on_its_neighbours) {
  const double some[] = {0, 1e-3, 0.7, 2, 3.9, 4, 11, 70, 1e9, inf, nan_value, -0.5, -3};
  Random random;
  int differing = 0;
  for (int i = 0; i < 4000; ++i) {
    double a[W], b[W], y[W];
    for (int j = 0; j < W; ++j) a[j] = some[random.bits() % 13], b[j] = some[random.bits() % 13];
    lawfit::store(y, lawfit::v_betaln(lawfit::load(a), lawfit::load(b)));
    for (int j = 0; j < W; ++j)
      differing += !same(y[j], lawfit::v_betaln(lawfit::broadcast(a[j]), lawfit::broadcast(b[j]))[0]);
  }
  CHECK(differing == 0);
}

int main() {
  std::printf("%d lanes, %s multiply-add\n", W, lawfit::has_fma ? "fused" : "separate");
  return check::run_tests();
}
