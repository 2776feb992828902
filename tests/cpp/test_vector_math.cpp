// Accuracy of the elementary vector functions against long double; limits of all vector functions, and
// independence of their lanes.
// Prints the largest error of every range in units of the last place (ulp).
#include <cstring>

#include "vector_functions.hpp"

namespace {

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

int main() { return check::run_tests(); }
