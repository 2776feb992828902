// Accuracy of the vector functions against long double, limits, and independence of the lanes.
// Prints the largest error of every range in units of the last place (ulp).
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <limits>

#include "../../cpp/engine/vector_math.hpp"
#include "check.hpp"

using lawfit::V;
using lawfit::W;

namespace {

using Function = V (*)(V);
using Exact = long double (*)(long double);
constexpr double inf = std::numeric_limits<double>::infinity();
constexpr double nan_value = std::numeric_limits<double>::quiet_NaN();
constexpr double largest = std::numeric_limits<double>::max();
constexpr double smallest = std::numeric_limits<double>::denorm_min();
// Fewer for runs under an emulator or a sanitizer.
const int points = std::getenv("LAWFIT_TEST_POINTS") ? std::atoi(std::getenv("LAWFIT_TEST_POINTS")) : 400000;

// The inlined functions, as pointers.
#define WRAP(name) \
  V name(V x) { return lawfit::v_##name(x); }
WRAP(exp) WRAP(log) WRAP(log1p) WRAP(expm1) WRAP(log10) WRAP(log2) WRAP(sin) WRAP(cos)
WRAP(arctan) WRAP(tanh) WRAP(logistic) WRAP(erf) WRAP(normcdf) WRAP(gammaln) WRAP(digamma)
WRAP(trigamma) WRAP(tetragamma) WRAP(sign)
#undef WRAP

struct Named {
  const char* name;
  Function f;
};
const Named all_functions[] = {
    {"exp", exp},         {"log", log},         {"log1p", log1p},       {"expm1", expm1},
    {"log10", log10},     {"log2", log2},       {"sin", sin},           {"cos", cos},
    {"arctan", arctan},   {"tanh", tanh},       {"logistic", logistic}, {"erf", erf},
    {"normcdf", normcdf}, {"gammaln", gammaln}, {"digamma", digamma},   {"trigamma", trigamma},
    {"tetragamma", tetragamma}, {"sign", sign}};

struct Random {  // splitmix64
  uint64_t state = 20240607;
  uint64_t bits() {
    uint64_t z = (state += 0x9e3779b97f4a7c15u);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
  }
  double uniform(double low, double high) {
    return low + (high - low) * (double(bits() >> 11) * 0x1p-53);
  }
  // A magnitude spread evenly over the exponents between two positive numbers.
  double log_uniform(double low, double high) {
    return std::fmin(high, std::fmax(low, std::exp2(uniform(std::log2(low), std::log2(high)))));
  }
};

double one_lane(Function f, double x, int lane = 0) { return f(lawfit::broadcast(x))[lane]; }

long double ulp_of(long double x) {
  int exponent = 0;
  std::frexp(x, &exponent);
  return std::ldexp(1.0L, std::max(exponent, -1021) - 53);
}
// Error of y in ulp of the exact value (or of `scale`, where cancellation sets the scale).
double ulps(double y, long double exact, long double scale = 0) {
  if (std::isnan(exact) || std::isnan(y)) return std::isnan(exact) && std::isnan(y) ? 0 : inf;
  if (std::isinf(double(exact)) || std::isinf(y)) {
    if (double(exact) == y) return 0;
    if (std::isinf(exact)) return inf;
    const long double end = std::isinf(y) ? std::copysign(0x1p1024L, (long double)y) : y;
    return double(std::fabs(end - exact) / 0x1p971L);
  }
  return double(std::fabs(y - exact) / ulp_of(std::fmax(std::fabs(exact), scale)));
}

struct Worst {
  double error = 0, at = 0;
  void add(double e, double x) {
    if (!(e <= error)) error = e, at = x;
  }
  bool within(const char* name, const char* range, double limit) const {
    std::printf("%-10s %-24s %6.3f ulp at %.17g\n", name, range, error, at);
    return error <= limit;
  }
};

enum Spread { EVENLY, BY_EXPONENT, BY_EXPONENT_BOTH_SIGNS };

Worst worst_of(Function f, Exact exact, Spread spread, double low, double high) {
  Random random;
  Worst worst;
  for (int i = 0; i < points; i += W) {
    double x[W], y[W];
    for (double& value : x) {
      value = spread == EVENLY ? random.uniform(low, high) : random.log_uniform(low, high);
      if (spread == BY_EXPONENT_BOTH_SIGNS && (random.bits() & 1)) value = -value;
    }
    lawfit::store(y, f(lawfit::load(x)));
    for (int j = 0; j < W; ++j) worst.add(ulps(y[j], exact(x[j])), x[j]);
  }
  return worst;
}
#define CHECK_ULPS(name, exact, spread, low, high, limit)                      \
  CHECK(worst_of(name, exact, spread, low, high)                               \
            .within(#name, "[" #low ", " #high "]", limit))

// ---- exact values in long double -------------------------------------------------------------

constexpr long double pi_l = 3.14159265358979323846264338327950288L;

long double exact_exp(long double x) { return std::exp(x); }
long double exact_log(long double x) { return std::log(x); }
long double exact_log1p(long double x) { return std::log1p(x); }
long double exact_expm1(long double x) { return std::expm1(x); }
long double exact_log10(long double x) { return std::log10(x); }
long double exact_log2(long double x) { return std::log2(x); }
long double exact_sin(long double x) { return std::sin(x); }
long double exact_cos(long double x) { return std::cos(x); }
long double exact_arctan(long double x) { return std::atan(x); }
long double exact_tanh(long double x) { return std::tanh(x); }
long double exact_erf(long double x) { return std::erf(x); }
long double exact_gammaln(long double x) { return std::lgamma(x); }
long double exact_logistic(long double x) {
  return x < 0 ? std::exp(x) / (1 + std::exp(x)) : 1 / (1 + std::exp(-x));
}
// erfc(-x/sqrt(2))/2; what x/sqrt(2) loses to rounding matters far out and is put right to
// first order.
long double exact_normcdf(long double x) {
  const long double top = 0x1.6a09e667f3bcdp-1L, rest = -0x1.bdd3413b26456p-55L;  // sqrt(1/2)
  const long double product = -x * top, tail = std::fma(-x, top, -product) - x * rest;
  const long double z = product + tail, lost = (product - z) + tail;
  const long double slope = -1.12837916709551257389615890312154517L * std::exp(-z * z);
  return 0.5L * (std::erfc(z) + slope * lost);
}
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

// ---- accuracy --------------------------------------------------------------------------------

TEST(exp_is_within_2_ulp_everywhere) {
  CHECK_ULPS(exp, exact_exp, EVENLY, -1, 1, 2);
  CHECK_ULPS(exp, exact_exp, EVENLY, -708, 709.7, 2);
  CHECK_ULPS(exp, exact_exp, EVENLY, 709, 711, 2);
  CHECK_ULPS(exp, exact_exp, EVENLY, -747, -707, 2);
  CHECK_ULPS(exp, exact_exp, BY_EXPONENT_BOTH_SIGNS, 1e-300, 1e300, 2);
}
TEST(log_is_within_2_ulp_everywhere) {
  CHECK_ULPS(log, exact_log, EVENLY, 0.5, 2, 2);
  CHECK_ULPS(log, exact_log, EVENLY, 0.99, 1.01, 2);
  CHECK_ULPS(log, exact_log, BY_EXPONENT, 1e-5, 1e15, 2);
  CHECK_ULPS(log, exact_log, BY_EXPONENT, 2.3e-308, 1.7e308, 2);
  CHECK_ULPS(log, exact_log, BY_EXPONENT, 5e-324, 3e-308, 2);
}
TEST(log1p_is_within_4_ulp) {
  CHECK_ULPS(log1p, exact_log1p, EVENLY, -1, 1, 4);
  CHECK_ULPS(log1p, exact_log1p, EVENLY, -0.1, 0.1, 4);
  CHECK_ULPS(log1p, exact_log1p, BY_EXPONENT_BOTH_SIGNS, 5e-324, 0.999, 4);
  CHECK_ULPS(log1p, exact_log1p, BY_EXPONENT, 0.1, 1.7e308, 4);
}
TEST(expm1_is_within_4_ulp) {
  CHECK_ULPS(expm1, exact_expm1, EVENLY, -1, 1, 4);
  CHECK_ULPS(expm1, exact_expm1, EVENLY, -0.1, 0.1, 4);
  CHECK_ULPS(expm1, exact_expm1, EVENLY, -60, 711, 4);
  CHECK_ULPS(expm1, exact_expm1, BY_EXPONENT_BOTH_SIGNS, 5e-324, 1e300, 4);
}
TEST(log10_and_log2_are_within_4_ulp) {
  CHECK_ULPS(log10, exact_log10, EVENLY, 0.5, 2, 4);
  CHECK_ULPS(log10, exact_log10, BY_EXPONENT, 5e-324, 1.7e308, 4);
  CHECK_ULPS(log2, exact_log2, EVENLY, 0.5, 2, 4);
  CHECK_ULPS(log2, exact_log2, BY_EXPONENT, 5e-324, 1.7e308, 4);
}
TEST(log2_of_a_power_of_two_is_exact) {
  for (int k = -1074; k < 1024; ++k) CHECK(one_lane(log2, std::ldexp(1.0, k)) == k);
}
TEST(log10_of_an_exact_power_of_ten_is_exact) {
  double power = 1;
  for (int k = 0; k <= 22; ++k, power *= 10) CHECK(one_lane(log10, power) == k);
}
TEST(sine_and_cosine_are_within_4_ulp) {
  CHECK_ULPS(sin, exact_sin, EVENLY, -4, 4, 4);
  CHECK_ULPS(sin, exact_sin, EVENLY, -1e5, 1e5, 4);
  CHECK_ULPS(sin, exact_sin, BY_EXPONENT_BOTH_SIGNS, 5e-324, 1e300, 4);
  CHECK_ULPS(cos, exact_cos, EVENLY, -4, 4, 4);
  CHECK_ULPS(cos, exact_cos, EVENLY, -1e5, 1e5, 4);
  CHECK_ULPS(cos, exact_cos, BY_EXPONENT_BOTH_SIGNS, 5e-324, 1e300, 4);
}
// The doubles nearest to the multiples of pi/2: the reduction loses the most digits there.
TEST(sine_and_cosine_keep_their_digits_near_their_zeros) {
  Worst worst_sin, worst_cos;
  for (int k = 1; k < 63662; ++k) {
    const double x = double(k * (pi_l / 2));
    // pi/2 to 128 bits in three pieces: k times the first two is exact in long double.
    long double r = x - k * 0x1.921fb544p+0L;
    r = (r - k * 0x1.0b4611a6p-34L) - k * 0x1.3198a2e03707345p-69L;
    if (k % 2 == 0) {
      const long double exact = k % 4 == 0 ? std::sin(r) : -std::sin(r);
      worst_sin.add(ulps(one_lane(sin, x), exact), x);
    } else {
      const long double exact = k % 4 == 1 ? -std::sin(r) : std::sin(r);
      worst_cos.add(ulps(one_lane(cos, x), exact), x);
    }
  }
  CHECK(worst_sin.within("sin", "nearest to k*pi", 4));
  CHECK(worst_cos.within("cos", "nearest to (k + 1/2)*pi", 4));
}
TEST(arctan_is_within_4_ulp) {
  CHECK_ULPS(arctan, exact_arctan, EVENLY, -3, 3, 4);
  CHECK_ULPS(arctan, exact_arctan, BY_EXPONENT_BOTH_SIGNS, 5e-324, 1e300, 4);
}
TEST(tanh_is_within_4_ulp) {
  CHECK_ULPS(tanh, exact_tanh, EVENLY, -1, 1, 4);
  CHECK_ULPS(tanh, exact_tanh, EVENLY, -25, 25, 4);
  CHECK_ULPS(tanh, exact_tanh, BY_EXPONENT_BOTH_SIGNS, 5e-324, 1e300, 4);
}
TEST(logistic_is_within_4_ulp) {
  CHECK_ULPS(logistic, exact_logistic, EVENLY, -5, 5, 4);
  CHECK_ULPS(logistic, exact_logistic, EVENLY, -747, 50, 4);
  CHECK_ULPS(logistic, exact_logistic, BY_EXPONENT_BOTH_SIGNS, 1e-300, 1e300, 4);
}
TEST(erf_is_within_4_ulp) {
  CHECK_ULPS(erf, exact_erf, EVENLY, -1, 1, 4);
  CHECK_ULPS(erf, exact_erf, EVENLY, -7, 7, 4);
  CHECK_ULPS(erf, exact_erf, BY_EXPONENT_BOTH_SIGNS, 5e-324, 1e300, 4);
}
TEST(normcdf_is_within_4_ulp_down_to_the_far_tail) {
  CHECK_ULPS(normcdf, exact_normcdf, EVENLY, -2, 2, 4);
  CHECK_ULPS(normcdf, exact_normcdf, EVENLY, -38.6, 9, 4);
  CHECK_ULPS(normcdf, exact_normcdf, EVENLY, -37.6, -30, 4);
  CHECK_ULPS(normcdf, exact_normcdf, BY_EXPONENT_BOTH_SIGNS, 5e-324, 1e300, 4);
}
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
TEST(logaddexp_is_within_4_ulp_of_the_largest_term) {
  Random random;
  Worst worst;
  for (int i = 0; i < 3 * points; i += W) {
    double a[W], b[W], y[W];
    for (int j = 0; j < W; ++j) {
      const double reach = i % 3 == 0 ? 1 : i % 3 == 1 ? 40 : 800;
      a[j] = random.uniform(-reach, reach);
      b[j] = random.bits() % 16 == 0 ? a[j] : random.uniform(-reach, reach);
      if (random.bits() % 8 == 0) a[j] = 0;
    }
    lawfit::store(y, lawfit::v_logaddexp(lawfit::load(a), lawfit::load(b)));
    for (int j = 0; j < W; ++j) {
      const long double top = std::fmax(a[j], b[j]), gap = std::fabs((long double)a[j] - b[j]);
      const long double rest = std::log1p(std::exp(-gap));  // against a negative top it cancels
      worst.add(ulps(y[j], top + rest, std::fmax(std::fabs(top), top < 0 ? rest : 0)), a[j]);
    }
  }
  CHECK(worst.within("logaddexp", "[-800, 800]", 4));
}

// ---- limits ----------------------------------------------------------------------------------

namespace {

bool same(double a, double b) {
  return (std::isnan(a) && std::isnan(b)) || a == b;
}
struct Limit {
  const char* name;
  Function f;
  double x, y;
};
const Limit limits[] = {
    {"exp", exp, inf, inf}, {"exp", exp, -inf, 0}, {"exp", exp, 0, 1}, {"exp", exp, -0.0, 1},
    {"exp", exp, 1e308, inf}, {"exp", exp, -1e308, 0}, {"exp", exp, smallest, 1},
    {"exp", exp, 709.7827128933841, inf},
    {"exp", exp, -745.13, smallest}, {"exp", exp, -745.14, 0},
    {"log", log, inf, inf}, {"log", log, 0, -inf}, {"log", log, -0.0, -inf}, {"log", log, 1, 0},
    {"log", log, -1, nan_value}, {"log", log, -inf, nan_value}, {"log", log, -smallest, nan_value},
    {"log1p", log1p, inf, inf}, {"log1p", log1p, -1, -inf}, {"log1p", log1p, 0, 0},
    {"log1p", log1p, -2, nan_value}, {"log1p", log1p, -inf, nan_value},
    {"log1p", log1p, smallest, smallest}, {"log1p", log1p, -smallest, -smallest},
    {"expm1", expm1, inf, inf}, {"expm1", expm1, -inf, -1}, {"expm1", expm1, 0, 0},
    {"expm1", expm1, smallest, smallest}, {"expm1", expm1, 1e5, inf}, {"expm1", expm1, -1e5, -1},
    {"log10", log10, inf, inf}, {"log10", log10, 0, -inf}, {"log10", log10, 1, 0},
    {"log10", log10, -1, nan_value}, {"log10", log10, 1000, 3}, {"log10", log10, 1e15, 15},
    {"log2", log2, inf, inf}, {"log2", log2, 0, -inf}, {"log2", log2, -1, nan_value},
    {"log2", log2, -inf, nan_value}, {"log2", log2, smallest, -1074},
    {"sin", sin, 0, 0}, {"sin", sin, inf, nan_value}, {"sin", sin, -inf, nan_value},
    {"sin", sin, smallest, smallest}, {"cos", cos, 0, 1}, {"cos", cos, inf, nan_value},
    {"cos", cos, -inf, nan_value}, {"arctan", arctan, inf, 0x1.921fb54442d18p+0},
    {"arctan", arctan, -inf, -0x1.921fb54442d18p+0}, {"arctan", arctan, 0, 0},
    {"arctan", arctan, largest, 0x1.921fb54442d18p+0}, {"arctan", arctan, smallest, smallest},
    {"tanh", tanh, inf, 1}, {"tanh", tanh, -inf, -1}, {"tanh", tanh, 0, 0},
    {"tanh", tanh, smallest, smallest}, {"tanh", tanh, largest, 1}, {"tanh", tanh, 20, 1},
    {"logistic", logistic, inf, 1}, {"logistic", logistic, -inf, 0},
    {"logistic", logistic, 0, 0.5}, {"logistic", logistic, largest, 1},
    {"logistic", logistic, -largest, 0}, {"erf", erf, inf, 1}, {"erf", erf, -inf, -1},
    {"erf", erf, 0, 0}, {"erf", erf, largest, 1}, {"normcdf", normcdf, inf, 1},
    {"normcdf", normcdf, -inf, 0}, {"normcdf", normcdf, 0, 0.5}, {"normcdf", normcdf, -40, 0},
    {"normcdf", normcdf, -largest, 0}, {"normcdf", normcdf, largest, 1},
    {"gammaln", gammaln, inf, inf}, {"gammaln", gammaln, -inf, inf}, {"gammaln", gammaln, 0, inf},
    {"gammaln", gammaln, -0.0, inf}, {"gammaln", gammaln, 1, 0}, {"gammaln", gammaln, 2, 0},
    {"gammaln", gammaln, -3, inf}, {"gammaln", gammaln, largest, inf},
    {"digamma", digamma, inf, inf}, {"digamma", digamma, 0, -inf},
    {"digamma", digamma, -1, nan_value}, {"digamma", digamma, -inf, nan_value},
    {"digamma", digamma, smallest, -inf}, {"trigamma", trigamma, inf, 0},
    {"trigamma", trigamma, 0, inf}, {"trigamma", trigamma, -1, inf},
    {"trigamma", trigamma, -inf, nan_value}, {"trigamma", trigamma, smallest, inf},
    {"tetragamma", tetragamma, inf, 0}, {"tetragamma", tetragamma, 0, -inf},
    {"tetragamma", tetragamma, -1, nan_value}, {"tetragamma", tetragamma, -inf, nan_value},
    {"tetragamma", tetragamma, smallest, -inf},
    {"sign", sign, inf, 1}, {"sign", sign, -inf, -1}, {"sign", sign, 0, 0},
    {"sign", sign, smallest, 1}, {"sign", sign, -smallest, -1}, {"sign", sign, 7, 1}};

}  // namespace

TEST(limits_are_exact) {
  for (const Limit& limit : limits) {
    const double y = one_lane(limit.f, limit.x, W - 1);
    if (!same(y, limit.y))
      std::printf("%s(%.17g) = %.17g, not %.17g\n", limit.name, limit.x, y, limit.y);
    CHECK(same(y, limit.y));
  }
}
TEST(nan_gives_nan_whatever_its_payload) {
  for (const Named& named : all_functions) {
    for (uint64_t bits : {0x7ff8000000000000u, 0xfff8000000000000u, 0x7ff8000000000001u,
                          0x7ff8000000000fffu, 0xffffffffffffffffu, 0x7fffffffffffffffu}) {
      double x;
      std::memcpy(&x, &bits, sizeof x);
      const double y = one_lane(named.f, x);
      if (!std::isnan(y)) std::printf("%s(NaN) = %.17g\n", named.name, y);
      CHECK(std::isnan(y));
    }
  }
}
TEST(odd_functions_keep_the_sign_of_zero) {
  CHECK(std::signbit(one_lane(sin, -0.0)) && !std::signbit(one_lane(sin, 0.0)));
  CHECK(std::signbit(one_lane(tanh, -0.0)) && !std::signbit(one_lane(tanh, 0.0)));
  CHECK(std::signbit(one_lane(arctan, -0.0)) && !std::signbit(one_lane(arctan, 0.0)));
  CHECK(std::signbit(one_lane(erf, -0.0)) && !std::signbit(one_lane(erf, 0.0)));
  CHECK(std::signbit(one_lane(expm1, -0.0)) && !std::signbit(one_lane(expm1, 0.0)));
  CHECK(std::signbit(one_lane(sign, -0.0)) && !std::signbit(one_lane(sign, 0.0)));
}
TEST(logaddexp_limits_are_exact) {
  const auto value = [](double a, double b) {
    return lawfit::v_logaddexp(lawfit::broadcast(a), lawfit::broadcast(b))[W - 1];
  };
  CHECK(value(-inf, -inf) == -inf);
  CHECK(value(inf, inf) == inf);
  CHECK(value(inf, -inf) == inf && value(-inf, inf) == inf);
  CHECK(value(-inf, 3) == 3 && value(3, -inf) == 3);
  CHECK(value(inf, 3) == inf && value(3, inf) == inf);
  CHECK(value(0, 0) == 0x1.62e42fefa39efp-1);
  CHECK(value(1e308, -1e308) == 1e308 && value(-1e308, -1e308) == -1e308);
  for (double other : {0.0, 3.0, inf, -inf, nan_value}) {
    CHECK(std::isnan(value(nan_value, other)));
    CHECK(std::isnan(value(other, nan_value)));
  }
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

// ---- lanes -----------------------------------------------------------------------------------

// Mixed with numbers that take the rare paths, every lane gives the bits it gives alone.
TEST(no_lane_depends_on_its_neighbours) {
  const double odd_ones[] = {0.0,  -0.0, inf,    -inf,     nan_value, smallest, -smallest, 1e-310,
                             -1.0, -2.5, 1000.0, -1000.0,  -730.0,    1e300,    -1e300,    largest,
                             2e5,  -3.0, 1e-20,  -largest, 709.9,     -38.0,    6.5,       3.5};
  Random random;
  for (const Named& named : all_functions) {
    int differing = 0;
    for (int i = 0; i < 4000; ++i) {
      double x[W], y[W];
      for (double& value : x)
        value = random.bits() % 2 ? random.uniform(-5, 50) : odd_ones[random.bits() % 24];
      lawfit::store(y, named.f(lawfit::load(x)));
      for (int j = 0; j < W; ++j) {
        const double alone = one_lane(named.f, x[j], (j + 1) % W);
        differing += std::memcmp(&alone, &y[j], sizeof alone) != 0 && !std::isnan(alone);
      }
    }
    if (differing) std::printf("%s: %d lanes differ\n", named.name, differing);
    CHECK(differing == 0);
  }
}

// ---- the basic operations of simd.hpp --------------------------------------------------------

TEST(basic_operations) {
  using namespace lawfit;
  double a[W + 1], b[W];
  for (int i = 0; i < W; ++i) a[i + 1] = i - 1.5, b[i] = 2.0 * i + 1;
  const V x = load(a + 1), y = load(b);  // a + 1 is not aligned to a vector
  double sum = 0;
  for (int i = 0; i < W; ++i) {
    sum += x[i];
    CHECK(fma(x, y, broadcast(3))[i] == a[i + 1] * b[i] + 3);
    CHECK(fnma(x, y, broadcast(3))[i] == 3 - a[i + 1] * b[i]);
    CHECK(vmin(x, y)[i] == std::fmin(a[i + 1], b[i]));
    CHECK(vmax(x, y)[i] == std::fmax(a[i + 1], b[i]));
    CHECK(vabs(x)[i] == std::fabs(a[i + 1]));
    CHECK(vsqrt(y)[i] == std::sqrt(b[i]));
    CHECK(copysign(y, x)[i] == std::copysign(b[i], a[i + 1]));
    CHECK(copysign(-y, x)[i] == std::copysign(b[i], a[i + 1]));
    CHECK(select((L)(x < V{}), x, y)[i] == (a[i + 1] < 0 ? a[i + 1] : b[i]));
  }
  CHECK(lane_sum(x) == sum);
  CHECK(std::signbit(vabs(broadcast(-0.0))[0]) == false);
}
TEST(min_and_max_give_the_second_operand_beside_nan) {
  using namespace lawfit;
  const V nan_lanes = broadcast(nan_value), one = broadcast(1);
  CHECK(vmin(nan_lanes, one)[0] == 1 && vmax(nan_lanes, one)[0] == 1);
  CHECK(std::isnan(vmin(one, nan_lanes)[0]) && std::isnan(vmax(one, nan_lanes)[0]));
}
TEST(masks_tell_any_and_all) {
  using namespace lawfit;
  for (int lane = 0; lane < W; ++lane) {
    V x = V{};
    x[lane] = nan_value;
    CHECK(any(is_nan(x)));
    CHECK(all(is_nan(x)) == (W == 1));
    CHECK(!any(is_nan(V{})) && all((L)(V{} == V{})));
  }
}
TEST(fused_multiply_add_rounds_once_where_it_says_so) {
  using namespace lawfit;
  const V x = broadcast(1 + 0x1p-30), rest = fma(x, x, -(x * x));
  CHECK((rest[0] == 0x1p-60) == has_fma);
  CHECK((fnma(x, x, x * x)[W - 1] == -0x1p-60) == has_fma);
}

int main() {
  std::printf("%d lanes, %s multiply-add\n", W, lawfit::has_fma ? "fused" : "separate");
  return check::run_tests();
}
