// How near the engine is to what the machine can do: nanoseconds per element of exp and log, per
// fused evaluation of a law (value, Jacobian and sums), per damped solve, and per iteration of a
// whole fit, beside hand-written kernels for these very laws (AVX-512 and AVX2 on a 4.15 GHz core;
// another clock shifts all of a column alike).
#include <algorithm>
#include <cstdio>
#include <ctime>
#include <functional>

#include "../../cpp/engine/cholesky.hpp"
#include "../../cpp/engine/stages.hpp"
#include "../engine_work.hpp"

using namespace work;

namespace {

struct Limit { double wide, narrow; };   // AVX-512, AVX2; 0: not known
double limit_here(Limit limit) { return W == 8 ? limit.wide : W == 4 ? limit.narrow : 0; }

// Of this thread, so that a busy machine shows less.
double seconds() {
  timespec now;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + 1e-9 * static_cast<double>(now.tv_nsec);
}

// Nanoseconds per unit of work: the fastest of several rounds of about 5 ms.
double nanoseconds(double units, const std::function<void()>& call) {
  call();
  double begin = seconds();
  call();
  const int repeats = std::max(1, static_cast<int>(0.005 / std::max(seconds() - begin, 1e-9)));
  double best = infinity;
  for (int round = 0; round < 15; ++round) {
    begin = seconds();
    for (int k = 0; k < repeats; ++k) call();
    best = std::min(best, (seconds() - begin) / repeats);
  }
  return 1e9 * best / units;
}

void line(const char* what, double ns, Limit limit) {
  const double reach = limit_here(limit);
  if (reach > 0) std::printf("| %-42s | %8.3f | %8.3f | %5.2f |\n", what, ns, reach, ns / reach);
  else std::printf("| %-42s | %8.3f | %8s | %5s |\n", what, ns, "", "");
}

volatile double sink;

void elementary() {
  std::vector<double> x(4096), y(4096);
  laws::Noise draw;
  for (double& v : x) v = 8 * draw() - 4;
  line("exp, per element", nanoseconds(4096, [&] {
    for (size_t i = 0; i < x.size(); i += W) store(&y[i], v_exp(load(&x[i])));
    sink = y[7];
  }), {0.213, 0.580});
  for (double& v : x) v = std::exp(v);
  line("log, per element", nanoseconds(4096, [&] {
    for (size_t i = 0; i < x.size(); i += W) store(&y[i], v_log(load(&x[i])));
    sink = y[7];
  }), {0.288, 0.552});
}

// One program on W lanes of equal length: the inner loop of every fit.
double evaluation(const laws::Builder& law, const TableView& table, int64_t rows, const ObjectiveSpec& objective, const double* at) {
  const size_t p = law.parameters;
  const CompiledLaw compiled(law.view(), table, std::vector<double>(p, -INFINITY), std::vector<double>(p, INFINITY));
  const TableData data = prepare_table(compiled.centred, table.columns, table.y, nullptr, nullptr, table.rows, objective.space);
  Evaluator evaluator(compiled.centred, objective.space, objective.loss, rows, false, false, Layout::problems);
  std::vector<double> means(32);
  for (int lane = 0; lane < W; ++lane) evaluator.load_lane(lane, data, table.rows >= rows * W ? lane * rows : 0, rows, nullptr, means.data());
  Arena arena(sum_vectors(static_cast<int>(p)) + p);
  V* theta = arena.take_vectors(p);
  for (size_t k = 0; k < p; ++k) theta[k] = broadcast(at[k]);
  const Sums sums = make_sums(arena.take_vectors(sum_vectors(static_cast<int>(p))), static_cast<int>(p), false);
  const LossShape shape = LossShape::of(broadcast(objective.scale), broadcast(0.5));
  return nanoseconds(W, [&] {
    evaluator.evaluate(Tier::jacobian, theta, shape, sums);
    sink = sums.value[0][0];
  });
}

void evaluations() {
  const ObjectiveSpec squared = {Space::linear, Loss::squared, 1, 0.5};
  const double three[] = {1, 5, 0.5}, five[] = {1.8, 0.5, 0.35, 0.4, 0.37};
  const Limit w1[] = {{8.2, 18.5}, {35.1, 88.8}, {134, 339}}, w4[] = {{17.4, 39.8}, {75.7, 180}, {292, 658}};
  const Limit w2[] = {{34.9, 73.5}, {156, 334}, {623, 1283}};
  const int64_t lengths[] = {12, 60, 240};
  char name[64];
  for (int k = 0; k < 3; ++k) {
    const laws::Table data(lengths[k] * W);
    std::snprintf(name, sizeof name, "W1, %d points, one evaluation", static_cast<int>(lengths[k]));
    line(name, evaluation(laws::one_term(), data.view(), lengths[k], squared, three), w1[k]);
  }
  for (int k = 0; k < 3; ++k) {
    const laws::Table data(lengths[k] * W);
    std::snprintf(name, sizeof name, "W4, %d points, one evaluation", static_cast<int>(lengths[k]));
    line(name, evaluation(laws::two_terms(), data.view(), lengths[k], squared, five), w4[k]);
  }
  for (int k = 0; k < 3; ++k) {   // the lanes share the rows
    const laws::Table data(lengths[k]);
    std::snprintf(name, sizeof name, "W2, %d points, one evaluation", static_cast<int>(lengths[k]));
    line(name, evaluation(laws::two_terms(), data.view(), lengths[k], log_huber, five), w2[k]);
  }
}

void solves() {
  const Limit limits[] = {{1.16, 3.6}, {4.9, 9.7}};
  for (const int p : {3, 5}) {
    Arena arena(64);
    V *matrix = arena.take_vectors(15), *factor = arena.take_vectors(15), *rhs = arena.take_vectors(5), *x = arena.take_vectors(5);
    for (int i = 0; i < p; ++i) {
      rhs[i] = broadcast(1.0 + i);
      for (int j = 0; j <= i; ++j) matrix[i * (i + 1) / 2 + j] = broadcast(i == j ? 4.0 + i : 0.5);
    }
    char name[64];
    std::snprintf(name, sizeof name, "damped solve, %d parameters", p);
    line(name, nanoseconds(W * 100.0, [&] {
      for (int k = 0; k < 100; ++k) {
        std::copy_n(matrix, p * (p + 1) / 2, factor);
        std::copy_n(rhs, p, x);
        for (int i = 0; i < p; ++i) factor[i * (i + 1) / 2 + i] *= broadcast(1 + 1e-9 * k);
        cholesky_solve(p, factor, x);
        sink = x[0][0];
      }
    }), limits[p == 5]);
  }
}

double iterations(const std::vector<int32_t>& each) { return std::accumulate(each.begin(), each.end(), 0.0); }

// Whole calls, everything between the arrays in and the statuses out, one thread.
void fits() {
  const auto whole = [&](const char* name, int64_t count, double steps, Limit limit, const std::function<void()>& call) {
    char text[64];
    const double ns = nanoseconds(1, call);
    std::snprintf(text, sizeof text, "%s, per fit (%.1f iterations)", name, steps / static_cast<double>(count));
    line(text, ns / static_cast<double>(count), {0, 0});
    std::snprintf(text, sizeof text, "%s, whole fit per iteration", name);
    line(text, ns / steps, limit);
  };
  Groups curves, runs;
  make_curves(curves, 4000);
  make_runs(runs, 500);
  whole("W1", 4000, iterations(fit_groups(curves, 1).iterations), {10.4, 24}, [&] { sink = fit_groups(curves, 1).values[0]; });
  whole("W4", 500, iterations(fit_groups(runs, 1).iterations), {83, 200}, [&] { sink = fit_groups(runs, 1).values[0]; });
  const laws::Table table(240);
  const std::vector<double> starts = grid(9);
  const auto one = fit_from_grid(table, starts);
  whole("W2", static_cast<int64_t>(starts.size() / 5), iterations(one.iterations), {630, 1300}, [&] { sink = fit_from_grid(table, starts).values[0]; });
  line("W3, per resample", nanoseconds(500, [&] { sink = fit_resamples(table, one.values, 500).objective[0]; }), {0, 0});
}

}  // namespace

int main() {
  std::printf("%d lanes\n\n| %-42s | %8s | %8s | %5s |\n| %.42s | -------: | -------: | ----: |\n", W, "what", "ns", "limit", "ratio",
              "------------------------------------------");
  elementary();
  evaluations();
  solves();
  fits();
}
