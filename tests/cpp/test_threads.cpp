// The pool: the same bits for any number of workers, and an end when asked for. Built with
// -DLAWFIT_SANITIZE=thread it also shows races.
#include <algorithm>
#include <atomic>
#include <cstring>
#include <numeric>

#include "../../cpp/engine/batch.hpp"
#include "../../cpp/engine/resample.hpp"
#include "check.hpp"
#include "laws.hpp"

using namespace lawfit;
using laws::Table;

namespace {

constexpr int64_t kGroups = 300, kRows = 60;   // enough work for several workers

FitTable run(const Table& data, const FitOptions& options) {
  const laws::Builder g = laws::two_terms();
  std::vector<int64_t> offsets(kGroups + 1);
  for (int64_t k = 0; k <= kGroups; ++k) offsets[k] = k * kRows;
  const BatchRequest request{data.view(),
                             {{g.view(), {0, 1}, laws::two_terms_lower, laws::no_upper(5),
                               std::vector<double>(5, not_a_number), {}}},
                             {{Space::log, Loss::squared, 1, 0.5}},
                             {{nullptr, offsets.data()}},
                             kGroups};
  return std::move(fit_batch(request, options)[0]);
}

bool same_bits(const std::vector<double>& a, const std::vector<double>& b) {
  return a.size() == b.size() && !std::memcmp(a.data(), b.data(), a.size() * sizeof(double));
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
  FitOptions options;
  options.threads = 3;
  std::atomic<int> asked{0};
  options.poll = [&](int64_t done, int64_t total) {
    CHECK(done >= 0 && done <= total);
    return ++asked < 1;
  };
  const FitTable table = run(data, options);
  const FitTable again = run(data, FitOptions());   // everything works afterwards
  if (asked.load()) {                               // a machine may finish before the first poll
    CHECK(std::count(table.status.begin(), table.status.end(),
                     static_cast<int8_t>(Status::cancelled)) > 0);
  }
  CHECK(std::count(again.status.begin(), again.status.end(),
                   static_cast<int8_t>(Status::cancelled)) == 0);
}

int main() { return check::run_tests(); }
