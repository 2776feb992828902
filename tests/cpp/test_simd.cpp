// The basic operations of simd.hpp, lane by lane.
#include <cmath>
#include <cstdio>
#include <limits>

#include "../../cpp/engine/simd.hpp"
#include "check.hpp"

using lawfit::L;
using lawfit::V;
using lawfit::W;

namespace {
constexpr double nan_value = std::numeric_limits<double>::quiet_NaN();
}

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
