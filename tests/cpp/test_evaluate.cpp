// What one evaluation sums at each tier is, bit for bit, part of what the next one sums.
#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include "../../cpp/engine/evaluate.hpp"
#include "../../cpp/engine/law.hpp"
#include "check.hpp"
#include "laws.hpp"

using namespace lawfit;

namespace {

constexpr int kParameters = 5;
constexpr int kLinear[] = {0, 1, 3};   // E, A and B of the two-term law

struct Sweeps {
  std::vector<double> first, second, y;
  const double* columns[2];
  TableView view;
  CompiledLaw law;
  TableData table;
  Arena arena{kParameters + 3 * sum_vectors(kParameters)};
  V* theta = arena.take_vectors(kParameters);

  Sweeps(int64_t rows, Space space)
      : first(rows), second(rows), y(rows), columns{first.data(), second.data()}, view{columns, y.data(), nullptr, nullptr, rows},
        law(laws::two_terms().view(), {true, true}, std::vector<double>(kParameters, -INFINITY), std::vector<double>(kParameters, INFINITY)) {
    for (int64_t r = 0; r < rows; ++r) {
      first[r] = 1 + 0.3 * static_cast<double>(r);
      second[r] = 2 + std::fmod(7.0 * static_cast<double>(r), 5.0);
      y[r] = 1 + 2 / std::sqrt(first[r]) + 1 / second[r];
    }
    table = prepare_table(law.centred, columns, y.data(), nullptr, nullptr, rows, space);
    for (int k = 0; k < kParameters; ++k)
      for (int lane = 0; lane < W; ++lane) theta[k][lane] = 0.4 + 0.1 * k + 0.01 * lane;
  }
  Sums sums() { return make_sums(arena.take_vectors(sum_vectors(kParameters)), kParameters, true); }
};

bool same(V a, V b) { return all((L)(a == b)); }

void compare(int64_t rows, Space space, Loss loss, Layout layout) {
  Sweeps sweeps(rows, space);
  Evaluator evaluator(sweeps.law.centred, space, loss, rows, false, false, layout);
  std::vector<double> means(sweeps.law.analysis.centring.nodes.size());
  for (int lane = 0; lane < evaluator.lanes(); ++lane) evaluator.load_lane(lane, sweeps.table, 0, rows, nullptr, means.data());
  const LossShape shape = LossShape::of(broadcast(0.1), broadcast(0.5));
  const Sums value = sweeps.sums(), linear = sweeps.sums(), jacobian = sweeps.sums();
  const V untouched = broadcast(-3.5);
  for (int i = 0; i < linear.vectors; ++i) linear.value[i] = untouched;
  evaluator.evaluate(Tier::value, sweeps.theta, shape, value);
  evaluator.evaluate(Tier::linear, sweeps.theta, shape, linear);
  evaluator.evaluate(Tier::jacobian, sweeps.theta, shape, jacobian);
  CHECK(same(value.value[0], jacobian.value[0]) && same(linear.value[0], jacobian.value[0]));
  CHECK(same(linear.energy[0], jacobian.energy[0]) && same(linear.sensitivity[0], jacobian.sensitivity[0]));
  bool is_linear[kParameters] = {};
  for (int k : kLinear) is_linear[k] = true;
  for (int i = 0, e = 0; i < kParameters; ++i) {
    CHECK(same(linear.gradient[i], is_linear[i] ? jacobian.gradient[i] : untouched));
    for (int j = 0; j <= i; ++j, ++e) CHECK(same(linear.majorised[e], is_linear[i] && is_linear[j] ? jacobian.majorised[e] : untouched));
  }
}

}  // namespace

TEST(a_tier_sums_what_the_next_one_does) {
  for (Layout layout : {Layout::problems, Layout::points})
    for (Space space : {Space::linear, Space::log})
      for (Loss loss : {Loss::squared, Loss::huber, Loss::cauchy, Loss::log_cosh})
        for (int64_t rows : {3, 40, 200}) compare(layout == Layout::points ? 40 * rows : rows, space, loss, layout);
}

TEST(guarded_products_give_zero_beside_any_number) {
  constexpr int kCount = 3;
  const double inf = std::numeric_limits<double>::infinity(), none = std::numeric_limits<double>::quiet_NaN();
  for (const double special : {1.0, inf, -inf, none}) {   // 1: nothing in the block is special
    std::vector<double> a(kCount * W, 2.0), b(kCount * W, -3.0), out(kCount * W);
    a[0] = 0;                       // 0 * -3 is +0, as beside infinities
    b[W] = 0, a[W] = special;
    a[2 * W] = special;
    const bool infinite = std::isinf(special);
    for (const double sign : {1.0, -1.0}) {
      kernel(sign > 0 ? Op::MUL0 : Op::NMUL0, false, false, false)(out.data(), a.data(), b.data(), b.data(), kCount);
      CHECK(out[0] == 0 && !std::signbit(out[0]));
      CHECK(out[W] == 0 && !std::signbit(out[W]));
      CHECK(std::isnan(special) ? std::isnan(out[2 * W]) : out[2 * W] == sign * -3 * special);
      CHECK(!infinite || std::isinf(out[2 * W]));
      for (int i = 1; i < W; ++i) CHECK(out[i] == sign * -6);
    }
  }
}

int main() { return check::run_tests(); }
