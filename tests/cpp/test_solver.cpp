// Batches of fits: a fit alone gives the bits it gives in any company, and bad data are a status.
#include <cmath>
#include <cstring>
#include <memory>
#include <numeric>

#include "../../cpp/engine/batch.hpp"
#include "../../cpp/engine/stages.hpp"
#include "check.hpp"
#include "laws.hpp"

using namespace lawfit;
using laws::Builder;
using laws::Table;

namespace {

struct Setting {
  Space space;
  Loss loss;
  double scale;
};
const Setting settings[] = {
    {Space::linear, Loss::squared, 1},  {Space::log, Loss::huber, 1e-3},
    {Space::log, Loss::soft_l1, 1e-2},  {Space::relative, Loss::cauchy, 1e-2},
    {Space::linear, Loss::absolute, 1}, {Space::log, Loss::log_cosh, 1e-2},
    {Space::log, Loss::quantile, 1}};

bool same_bits(const double* a, const double* b, size_t n) {
  return std::memcmp(a, b, n * sizeof(double)) == 0;
}

FitTable fit_one(const Builder& g, const TableView& table, const std::vector<int64_t>& offsets,
                 const ObjectiveSpec& objective, const std::vector<double>& lower,
                 const std::vector<double>& upper, const FitOptions& options) {
  std::vector<int> columns(g.view().variables);
  std::iota(columns.begin(), columns.end(), 0);
  const std::vector<double> guess(lower.size(), not_a_number);
  const BatchRequest request{table,
                             {{g.view(), columns, lower, upper, guess, {}}},
                             {objective},
                             {{nullptr, offsets.data()}},
                             static_cast<int64_t>(offsets.size()) - 1};
  return fit_batch(request, options)[0];
}

FitTable run(const Builder& g, const TableView& table, const std::vector<int64_t>& offsets,
             const Setting& setting, int threads = 1) {
  const size_t p = g.parameters;
  std::vector<double> lower(p, -INFINITY), upper(p, INFINITY);
  if (p == 5) lower = laws::two_terms_lower;
  FitOptions options;
  options.threads = threads;
  return fit_one(g, table, offsets, {setting.space, setting.loss, setting.scale, 0.3}, lower, upper,
                 options);
}

// Groups of these many rows, in an order that mixes lengths.
const std::vector<int64_t> lengths = {17, 40, 9,  9, 33, 12, 40, 21, 8,  64,
                                      17, 10, 30, 9, 55, 23, 11, 40, 19, 26};

std::vector<int64_t> offsets_of(const std::vector<int64_t>& counts) {
  std::vector<int64_t> offsets = {0};
  for (int64_t n : counts) offsets.push_back(offsets.back() + n);
  return offsets;
}

TableView slice(const TableView& t, const Table& owner, std::vector<const double*>& columns,
                int64_t begin, int64_t count) {
  columns = {owner.N.data() + begin, owner.D.data() + begin};
  return {columns.data(), t.y + begin, t.weight ? t.weight + begin : nullptr,
          t.sigma ? t.sigma + begin : nullptr, count};
}

Status status(const FitTable& table, int64_t g = 0) { return static_cast<Status>(table.status[g]); }
bool fitted(Status s) { return s == Status::converged || s == Status::converged_at_bound; }

}   // namespace

TEST(a_fit_alone_gives_the_bits_of_the_batch) {
  const auto offsets = offsets_of(lengths);
  const Table data(offsets.back());
  const Builder g = laws::two_terms();
  for (const Setting& setting : settings)
    for (const bool weighted : {false, true}) {
      const TableView table = data.view(weighted, weighted && setting.space == Space::linear);
      const FitTable batch = run(g, table, offsets, setting);
      int differing = 0, good = 0;
      for (size_t k = 0; k < lengths.size(); ++k) {
        std::vector<const double*> columns;
        const FitTable alone =
            run(g, slice(table, data, columns, offsets[k], lengths[k]), {0, lengths[k]}, setting);
        good += fitted(status(alone));
        differing += !same_bits(&alone.values[0], &batch.values[k * 5], 5) ||
                     !same_bits(&alone.objective[0], &batch.objective[k], 1) ||
                     alone.status[0] != batch.status[k] ||
                     alone.iterations[0] != batch.iterations[k];
      }
      if (differing)
        std::printf("space %d, loss %d, weighted %d: %d of %zu differ\n",
                    static_cast<int>(setting.space), static_cast<int>(setting.loss), weighted,
                    differing, lengths.size());
      CHECK(differing == 0);
      CHECK(good > 0);
    }
}

// The same at the level of the lanes: jobs that fill, refill and outlast each other.
TEST(a_lane_alone_gives_the_bits_of_a_full_batch) {
  const auto offsets = offsets_of(lengths);
  const Table data(offsets.back());
  const TableView table = data.view(true);
  const Builder g = laws::two_terms();
  const std::vector<double> upper = laws::no_upper(5);
  const CompiledLaw law(g.view(), table, laws::two_terms_lower, upper);
  for (const Setting& setting : settings)
    for (const Stage stage : {Stage::far, Stage::finish}) {
      const Problem problem = make_problem(law, {setting.space, setting.loss, setting.scale, 0.3},
                                           laws::two_terms_lower, upper);
      const TableData rows = prepare_table(law.centred, table.columns, table.y, table.weight,
                                           nullptr, table.rows, setting.space);
      const double near[] = {1.8, 480, 0.35, 2000, 0.37}, away[] = {0.5, 50, 0.2, 90, 0.6};
      std::vector<Job> jobs;
      for (size_t k = 0; k < lengths.size(); ++k)
        for (const double* start : {near, away})
          jobs.push_back({offsets[k], lengths[k], nullptr, start, 0.1});
      std::vector<int8_t> active(jobs.size() * 5);
      const auto solve = [&](const Job* first, int64_t count, std::vector<double>& values,
                             std::vector<Outcome>& outcomes) {
        values.assign(count * 5, 0);
        outcomes.clear();
        for (int64_t k = 0; k < count; ++k)
          outcomes.push_back(
              {&values[k * 5], &active[k * 5], infinity, infinity, 0, 0, Status::cancelled, false});
        std::vector<int64_t> order(count);
        std::iota(order.begin(), order.end(), 0);
        JobQueue queue;
        queue.order = order.data();
        queue.end = count;
        Limits limits;
        make_solver(problem, stage, 64, true, !rows.inverse_sigma.empty(), Layout::problems)
            ->run(rows, first, outcomes.data(), queue, limits);
      };
      std::vector<double> all, one;
      std::vector<Outcome> batch, alone;
      solve(jobs.data(), static_cast<int64_t>(jobs.size()), all, batch);
      int differing = 0;
      for (size_t k = 0; k < jobs.size(); ++k) {
        solve(&jobs[k], 1, one, alone);
        differing += !same_bits(one.data(), &all[k * 5], 5) ||
                     !same_bits(&alone[0].objective, &batch[k].objective, 1) ||
                     alone[0].status != batch[k].status ||
                     alone[0].iterations != batch[k].iterations;
      }
      if (differing)
        std::printf("space %d, loss %d, stage %d: %d of %zu differ\n",
                    static_cast<int>(setting.space), static_cast<int>(setting.loss),
                    static_cast<int>(stage), differing, jobs.size());
      CHECK(differing == 0);
    }
}

TEST(threads_do_not_change_a_bit) {
  std::vector<int64_t> counts;
  for (int k = 0; k < 120; ++k) counts.push_back(8 + k * 37 % 300);
  const auto offsets = offsets_of(counts);
  const Table data(offsets.back());
  const FitTable one = run(laws::two_terms(), data.view(), offsets, settings[1], 1);
  const FitTable three = run(laws::two_terms(), data.view(), offsets, settings[1], 3);
  CHECK(same_bits(one.values.data(), three.values.data(), one.values.size()));
  CHECK(one.status == three.status && one.iterations == three.iterations);
}

TEST(both_layouts_find_the_same_optimum) {
  const Table data(kPointsLayout);   // all lanes work on one problem
  const FitTable wide = run(laws::two_terms(), data.view(), {0, kPointsLayout}, settings[0]);
  const FitTable narrow = run(laws::two_terms(), data.view(), {0, kPointsLayout - 1}, settings[0]);
  CHECK(fitted(status(wide)) && fitted(status(narrow)));
  for (int k = 0; k < 5; ++k)
    CHECK(std::fabs(wide.values[k] / narrow.values[k] - 1) < 0.01);   // one row's influence
}

TEST(noise_free_data_give_back_the_truth) {
  const Table data(63, 0);
  const FitTable table = run(laws::two_terms(), data.view(), {0, 63}, settings[0]);
  const double truth[] = {1.8, 480, 0.35, 2000, 0.37};
  CHECK(fitted(status(table)));
  for (int k = 0; k < 5; ++k) CHECK(std::fabs(table.values[k] / truth[k] - 1) < 1e-6);
}

// ---- bad data
// ------------------------------------------------------------------------------------

TEST(data_that_are_not_numbers_are_a_status) {
  for (const double bad : {not_a_number, infinity, -infinity})
    for (const Setting& setting : settings)
      for (int where = 0; where < 3; ++where) {
        Table data(30);
        (where == 0 ? data.y : where == 1 ? data.N : data.D)[7] = bad;
        const FitTable table = run(laws::two_terms(), data.view(), {0, 30}, setting);
        // An infinite column can be a legitimate limit: its term vanishes. All else has no optimum.
        const bool limit = where > 0 && bad == infinity;
        CHECK(limit || !fitted(status(table)));
        CHECK(!fitted(status(table)) || std::isfinite(table.objective[0]));
      }
}
TEST(one_bad_group_leaves_its_neighbours_alone) {
  Table data(120);
  const std::vector<int64_t> offsets = {0, 30, 60, 90, 120};
  const FitTable before = run(laws::two_terms(), data.view(), offsets, settings[0]);
  data.y[35] = not_a_number;
  const FitTable after = run(laws::two_terms(), data.view(), offsets, settings[0]);
  for (int g : {0, 2, 3}) {
    CHECK(fitted(status(before, g)));
    CHECK(same_bits(&before.values[g * 5], &after.values[g * 5], 5) &&
          before.status[g] == after.status[g]);
  }
  CHECK(!fitted(status(after, 1)));
}
TEST(zero_weights_are_too_few_points) {
  Table data(30);
  data.weight.assign(30, 0.0);
  CHECK(status(run(laws::two_terms(), data.view(true), {0, 30}, settings[0])) ==
        Status::too_few_points);
  for (int r = 0; r < 4; ++r) data.weight[r] = 1;   // four rows count, five parameters
  CHECK(status(run(laws::two_terms(), data.view(true), {0, 30}, settings[0])) ==
        Status::too_few_points);
}
TEST(rows_without_weight_do_not_count) {
  Table data(60);
  for (int r = 30; r < 60; ++r) data.weight[r] = 0;
  for (int r = 0; r < 30; ++r) data.weight[r] = 1;
  const FitTable all = run(laws::two_terms(), data.view(true), {0, 60}, settings[0]);
  const FitTable half = run(laws::two_terms(), data.view(), {0, 30}, settings[0]);
  CHECK(fitted(status(all)) && std::fabs(all.objective[0] / half.objective[0] - 1) < 1e-9);
}
TEST(one_row_and_no_row) {
  const Table data(30);
  const FitTable few = run(laws::two_terms(), data.view(), {0, 0, 1, 5, 30}, settings[0]);
  for (int g : {0, 1, 2})
    CHECK(status(few, g) == Status::too_few_points && std::isnan(few.values[g * 5]));
  CHECK(fitted(status(few, 3)));
  Builder scale;
  scale.p(0) / scale.x(0);
  const FitTable one = run(scale, data.view(), {0, 1}, settings[0]);
  CHECK(fitted(status(one)) && std::fabs(one.values[0] / (data.y[0] * data.N[0]) - 1) < 1e-12);
}
TEST(a_constant_column_cannot_carry_an_exponent) {
  Table data(30);
  std::fill(data.D.begin(), data.D.end(), 1e9);
  const FitTable table = run(laws::two_terms(), data.view(), {0, 30}, settings[0]);
  CHECK(status(table) == Status::not_identified);
  CHECK(table.tradeoff[3 * 5 + 4] || table.tradeoff[4 * 5 + 3]);   // B trades off with beta
}
TEST(a_deadline_in_the_past_is_a_time_limit) {
  const Table data(30);
  const Builder g = laws::two_terms();
  const TableView table = data.view();
  const std::vector<double> upper = laws::no_upper(5);
  FitOptions options;
  options.max_seconds = 1e-9;
  const FitTable late = fit_one(g, table, {0, 30}, {Space::linear, Loss::squared, 1, 0.5},
                                laws::two_terms_lower, upper, options);
  CHECK(status(late) == Status::time_limit);
}

int main() { return check::run_tests(); }
