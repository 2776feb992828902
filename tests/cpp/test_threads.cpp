// The pool: the same bits for any number of workers, and an end when asked for. Built with
// -DLAWFIT_SANITIZE=thread it also shows races.
#include <algorithm>
#include <atomic>
#include <cstring>
#include <numeric>
#include <thread>

#include "../../cpp/engine/batches.hpp"
#include "../../cpp/engine/pool.hpp"
#include "../../cpp/engine/resample.hpp"
#include "check.hpp"
#include "laws.hpp"

using namespace lawfit;
using laws::Table;

namespace {

constexpr int64_t kGroups = 300, kRows = 60;   // enough work for several workers

// One law or several times the same to the groups of a table.
struct Groups {
  const laws::Builder law = laws::two_terms();
  std::vector<int64_t> offsets;
  BatchRequest request;
  const std::vector<double> near{1.8, 480, 0.35, 2000, 0.37};
  Groups(const Table& data, int64_t groups, int copies, bool given = false) : offsets(groups + 1) {
    for (int64_t k = 0; k <= groups; ++k) offsets[k] = k * kRows;
    BatchLaw one{law.view(), {0, 1}, laws::two_terms_lower, laws::no_upper(5), std::vector<double>(5, not_a_number), {}};
    if (given) one.starts = {near.data(), 1, 0, 0};
    request = {data.view(), std::vector<BatchLaw>(copies, one), {{Space::log, Loss::squared, 1, 0.5}}, {{nullptr, offsets.data()}}, groups};
  }
};

FitTable run(const Table& data, const FitOptions& options) {
  const Groups groups(data, kGroups, 1);
  return std::move(fit_batch(groups.request, options)[0]);
}

bool same_bits(const std::vector<double>& a, const std::vector<double>& b) {
  return a.size() == b.size() && (a.empty() || !std::memcmp(a.data(), b.data(), a.size() * sizeof(double)));
}

}   // namespace

TEST(workers_do_not_change_a_bit) {
  const Table data(kGroups * kRows);
  FitOptions options;
  const FitTable one = run(data, options);
  for (const int threads : {2, 7}) {
    options.threads = threads;
    const FitTable several = run(data, options);
    CHECK(same_bits(one.values, several.values) && same_bits(one.objective, several.objective));
    CHECK(one.status == several.status && one.iterations == several.iterations);
  }
}
TEST(batches_side_by_side_are_those_alone) {
  const Table data(kGroups * kRows);
  const Groups few(data, 3, 1), large(data, kGroups, 8, true), some(data, 40, 2), none(data, 0, 1);   // `large` takes all workers
  const std::vector<BatchRequest> requests{few.request, large.request, none.request, some.request};
  std::vector<std::vector<FitTable>> alone;
  for (const BatchRequest& request : requests) alone.push_back(fit_batch(request, FitOptions()));
  for (const int threads : {1, 3}) {
    FitOptions options;
    options.threads = threads;
    int64_t last = 0;
    options.poll = [&](int64_t done, int64_t total) {
      CHECK(done >= last && done <= total && total == 3 + 8 * kGroups + 80);
      last = done;
      return true;
    };
    const auto together = fit_batches(requests, options);
    CHECK(together.size() == requests.size());
    for (size_t k = 0; k < requests.size(); ++k) {
      CHECK(together[k].size() == alone[k].size());
      for (size_t l = 0; l < alone[k].size(); ++l)
        CHECK(same_bits(together[k][l].values, alone[k][l].values) && together[k][l].status == alone[k][l].status);
    }
  }
}
TEST(resamples_are_the_same_for_any_number_of_workers) {
  const Table data(200);
  const laws::Builder g = laws::two_terms();
  const std::vector<double> upper = laws::no_upper(5), warm = {1.8, 480, 0.35, 2000, 0.37};
  const CompiledLaw law(g.view(), data.view(), laws::two_terms_lower, upper);
  const int64_t offsets[] = {0, 200};
  ReplicateRequest request{};
  request.law = g.view();
  request.table = data.view();
  request.offsets = offsets;
  request.groups = 1;
  request.objective = {Space::log, Loss::huber, 1e-3, 0.5};
  request.lower = laws::two_terms_lower;
  request.upper = upper;
  request.guess.assign(5, not_a_number);
  request.warm = warm.data();
  request.replicates = 300;
  FitOptions options;
  options.seed = 7;
  const ReplicateTable one = resample(law, request, options);
  for (const int threads : {2, 7}) {
    options.threads = threads;
    const ReplicateTable several = resample(law, request, options);
    CHECK(same_bits(one.values, several.values) && one.status == several.status);
  }
}
TEST(a_poll_that_says_no_ends_the_call) {
  const Table data(kGroups * kRows);
  const Groups much(data, kGroups, 100);            // seconds of work, so that it cannot be over before the first poll
  FitOptions options;
  options.threads = 3;
  std::atomic<int> asked{0};
  options.poll = [&](int64_t done, int64_t total) {
    CHECK(done >= 0 && done < total);
    return ++asked < 1;
  };
  const std::vector<FitTable> tables = fit_batch(much.request, options);
  const auto cancelled = [](const FitTable& table) {
    return std::count(table.status.begin(), table.status.end(), static_cast<int8_t>(Status::cancelled));
  };
  CHECK(asked == 1 && cancelled(tables.back()) == kGroups);
  CHECK(cancelled(run(data, FitOptions())) == 0);   // everything works afterwards
}
TEST(the_calling_thread_works_and_polls) {
  Cancellation cancelled;
  const auto caller = std::this_thread::get_id();
  std::atomic<int> asked{0};
  int inside = 0;
  const auto poll = [&] {                           // slower than polls are apart, and it asks itself
    CHECK(++inside == 1 && std::this_thread::get_id() == caller);
    std::this_thread::sleep_for(std::chrono::milliseconds(60));
    CHECK(!cancelled);
    --inside;
    return ++asked < 3;
  };
  std::vector<std::thread::id> ran(3);
  run_workers(3, [&](int w) {
    ran[w] = std::this_thread::get_id();
    while (!cancelled.after(1 << 10)) std::this_thread::yield();
  }, poll, cancelled);
  CHECK(ran[0] == caller && ran[1] != caller && ran[2] != caller);
  CHECK(cancelled && asked == 3);
}
TEST(who_waits_for_others_polls) {
  Cancellation cancelled;
  std::atomic<int> asked{0};
  run_workers(2, [&](int w) { while (w == 1 && !cancelled) std::this_thread::yield(); }, [&] { return ++asked < 2; }, cancelled);
  CHECK(cancelled && asked == 2);
}
TEST(work_without_a_poll_is_cancelled_by_the_poll_around_it) {
  Cancellation cancelled;
  int asked = 0;
  run_workers(1, [&](int) {
    run_workers(2, [&](int) { while (!cancelled) std::this_thread::yield(); }, nullptr, cancelled);
  }, [&] { return ++asked < 2; }, cancelled);
  CHECK(asked == 2);
}

int main() { return check::run_tests(); }
