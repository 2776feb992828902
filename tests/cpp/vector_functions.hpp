// What tests of vector functions share: the functions as pointers, numbers to try them on, and their
// errors in units of the last place (ulp) of an exact value in long double.
#pragma once
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <limits>

#include "../../cpp/engine/vector_math.hpp"
#include "check.hpp"

using lawfit::V;
using lawfit::W;

namespace vectors {

using Function = V (*)(V);
using Exact = long double (*)(long double);
constexpr double inf = std::numeric_limits<double>::infinity();
constexpr double nan_value = std::numeric_limits<double>::quiet_NaN();
constexpr double largest = std::numeric_limits<double>::max();
constexpr double smallest = std::numeric_limits<double>::denorm_min();
// Fewer for runs under an emulator or a sanitizer.
inline const int points = std::getenv("LAWFIT_TEST_POINTS") ? std::atoi(std::getenv("LAWFIT_TEST_POINTS")) : 400000;

// The inlined functions, as pointers.
#define WRAP(name) \
  inline V name(V x) { return lawfit::v_##name(x); }
WRAP(exp) WRAP(log) WRAP(log1p) WRAP(expm1) WRAP(log10) WRAP(log2) WRAP(sin) WRAP(cos)
WRAP(arctan) WRAP(tanh) WRAP(logistic) WRAP(erf) WRAP(normcdf) WRAP(gammaln) WRAP(digamma)
WRAP(trigamma) WRAP(tetragamma) WRAP(sign)
#undef WRAP

struct Named {
  const char* name;
  Function f;
};
inline const Named all_functions[] = {
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

inline double one_lane(Function f, double x, int lane = 0) { return f(lawfit::broadcast(x))[lane]; }

inline long double ulp_of(long double x) {
  int exponent = 0;
  std::frexp(x, &exponent);
  return std::ldexp(1.0L, std::max(exponent, -1021) - 53);
}
// Error of y in ulp of the exact value (or of `scale`, where cancellation sets the scale).
inline double ulps(double y, long double exact, long double scale = 0) {
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

inline Worst worst_of(Function f, Exact exact, Spread spread, double low, double high) {
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

constexpr long double pi_l = 3.14159265358979323846264338327950288L;

inline bool same(double a, double b) {
  return (std::isnan(a) && std::isnan(b)) || a == b;
}

}  // namespace vectors

using namespace vectors;
