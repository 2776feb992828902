// Nothing allocates between the start and the end of Solver::run: its workspace is made once.
#include <atomic>
#include <cstddef>
#include <cstdlib>
#include <new>
#include <numeric>

#include "../../cpp/engine/stages.hpp"
#include "check.hpp"
#include "laws.hpp"

namespace {
std::atomic<long> heap_calls{0};
void* counted(std::size_t size, std::size_t align) {
  ++heap_calls;
  void* p = align <= alignof(std::max_align_t)
                ? std::malloc(size)
                : std::aligned_alloc(align, (size + align - 1) / align * align);
  if (!p) throw std::bad_alloc();
  return p;
}
void released(void* p) noexcept {
  if (p) ++heap_calls;
  std::free(p);
}
}   // namespace

// The array forms call these.
void* operator new(std::size_t size) { return counted(size, 1); }
void* operator new(std::size_t size, const std::nothrow_t&) noexcept { return counted(size, 1); }
void* operator new(std::size_t size, std::align_val_t align) {
  return counted(size, static_cast<std::size_t>(align));
}
void operator delete(void* p) noexcept { released(p); }
void operator delete(void* p, std::size_t) noexcept { released(p); }
void operator delete(void* p, const std::nothrow_t&) noexcept { released(p); }
void operator delete(void* p, std::align_val_t) noexcept { released(p); }
void operator delete(void* p, std::size_t, std::align_val_t) noexcept { released(p); }

#if defined(__GLIBC__) && !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
// What goes past operator new is counted too.
extern "C" {
void* __libc_malloc(std::size_t);
void* __libc_calloc(std::size_t, std::size_t);
void* __libc_realloc(void*, std::size_t);
void* malloc(std::size_t size) {
  ++heap_calls;
  return __libc_malloc(size);
}
void* calloc(std::size_t n, std::size_t size) {
  ++heap_calls;
  return __libc_calloc(n, size);
}
void* realloc(void* p, std::size_t size) {
  ++heap_calls;
  return __libc_realloc(p, size);
}
}
#endif

using namespace lawfit;
using laws::Table;

namespace {

long heap_calls_of_a_run(Stage stage, Space space, Loss loss, double scale, int64_t rows,
                          bool ragged, bool precise) {
  const Table data(rows);
  const bool points = layout_for(rows) == Layout::points;
  const TableView table = data.view(true, true);
  const laws::Builder g = laws::two_terms();
  const std::vector<double> upper = {1.9, INFINITY, INFINITY, INFINITY,
                                     INFINITY};   // a bound that can bite
  const CompiledLaw law(g.view(), table, laws::two_terms_lower, upper);
  const Problem problem =
      make_problem(law, {space, loss, scale, 0.3}, laws::two_terms_lower, upper);
  const TableData prepared =
      prepare_table(law.centred, table.columns, table.y, table.weight, table.sigma, rows, space);
  const double starts[][5] = {
      {1.8, 480, 0.35, 2000, 0.37}, {0.1, 5e4, 0.7, 10, 0.1}, {-9, 1e-3, 2, 1e-3, 2}};
  const int64_t count = points ? 3 : 5 * W + 1;   // lanes are refilled several times
  std::vector<Job> jobs;
  std::vector<double> values(count * 5);
  std::vector<int8_t> active(count * 5);
  std::vector<Outcome> outcomes;
  for (int64_t k = 0; k < count; ++k) {
    jobs.push_back({0, ragged ? rows - k % 7 : rows, nullptr, starts[k % 3], 0.1});
    jobs.back().cautious = k % 5 == 4;
    outcomes.push_back(
        {&values[k * 5], &active[k * 5], infinity, infinity, 0, 0, Status::cancelled, false});
  }
  const auto solver = make_solver(problem, stage, rows, true, true, layout_for(rows));
  std::vector<int64_t> order(count);
  std::iota(order.begin(), order.end(), 0);
  JobQueue queue;
  queue.order = order.data();
  queue.end = count;
  Limits limits;
  limits.precise = precise;
  const long before = heap_calls;
  solver->run(prepared, jobs.data(), outcomes.data(), queue, limits);
  const long during = heap_calls - before;
  int64_t iterations = 0;
  for (const Outcome& outcome : outcomes) {
    CHECK(outcome.status != Status::cancelled);
    iterations += outcome.iterations;
  }
  CHECK(iterations > count);   // there was work to count
  return during;
}

}   // namespace

TEST(the_counter_counts) {
  const long before = heap_calls;
  delete new std::vector<double>(10);
  std::free(std::malloc(16));
  CHECK(heap_calls >= before + 4);
}
TEST(no_stage_allocates_for_any_space_and_loss) {
  for (const Stage stage : {Stage::far, Stage::finish})
    for (const Space space : {Space::linear, Space::log, Space::relative})
      for (const Loss loss : {Loss::squared, Loss::huber, Loss::soft_l1, Loss::cauchy,
                              Loss::absolute, Loss::quantile, Loss::log_cosh})
        for (const bool precise : {false, true})
          CHECK(heap_calls_of_a_run(stage, space, loss, 1e-2, 40, true, precise) == 0);
}
TEST(one_large_problem_allocates_nothing_either) {
  for (const Stage stage : {Stage::far, Stage::finish})
    CHECK(heap_calls_of_a_run(stage, Space::log, Loss::huber, 1e-3, kPointsLayout + 3, false,
                               false) == 0);
}

int main() { return check::run_tests(); }
