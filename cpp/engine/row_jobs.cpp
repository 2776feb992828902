#include "row_jobs.hpp"

#include <algorithm>
#include <cmath>
#include <vector>

#include "pool.hpp"

namespace lawfit {

namespace {
constexpr int64_t kChunk = 16;          // jobs taken at a time

TableView part(const TableView& table, int64_t begin, int64_t count, std::vector<const double*>& columns) {
  for (size_t k = 0; k < columns.size(); ++k) columns[k] = table.columns[k] + begin;
  return {columns.data(), table.y + begin, table.weight ? table.weight + begin : nullptr, table.sigma ? table.sigma + begin : nullptr, count};
}

const LossNumbers* own(const RowJobs& jobs, int64_t job) { return jobs.numbers ? jobs.numbers + job : nullptr; }

// work(model, job) for every job that has something to work on, `model` having the job's rows.
template <class Work>
bool for_each(const CompiledLaw& law, const TableView& table, const ObjectiveSpec& objective, const RowJobs& jobs, const Work& work) {
  const int p = law.natural.parameters;
  std::atomic<int64_t> next{0};
  Cancellation cancelled;
  auto worker = [&](int) {
    std::vector<const double*> columns(static_cast<size_t>(jobs.variables));
    for (int64_t begin; (begin = next.fetch_add(kChunk)) < jobs.jobs && !cancelled;)
      for (int64_t job = begin; job < std::min(begin + kChunk, jobs.jobs); ++job) {
        const double* at = jobs.parameters + job * p;
        if (jobs.count[job] == 0 || !std::all_of(at, at + p, [](double v) { return std::isfinite(v); })) continue;
        if (jobs.numbers && !(jobs.numbers[job].scale >= 0)) continue;
        RowModel model(law, part(table, jobs.begin[job], jobs.count[job], columns), objective, jobs.count[job]);
        work(model, job);
      }
  };
  run_workers(static_cast<int>(std::min<int64_t>(jobs.threads, (jobs.jobs + kChunk - 1) / kChunk)), worker, jobs.poll, cancelled);
  return !cancelled;
}
}  // namespace

bool objectives(const CompiledLaw& law, const TableView& table, const ObjectiveSpec& objective, const RowJobs& jobs, double* out) {
  std::fill_n(out, jobs.jobs, not_a_number);
  return for_each(law, table, objective, jobs, [&](RowModel& model, int64_t job) {
    out[job] = model.objective(jobs.parameters + job * law.natural.parameters, {0, jobs.count[job], nullptr, nullptr, own(jobs, job)});
  });
}

bool standard_errors(const CompiledLaw& law, const TableView& table, const ObjectiveSpec& objective, const RowJobs& jobs, const int8_t* active,
                     CovarianceKind kind, bool absolute, double* out, double* numbers_out) {
  const int p = law.natural.parameters;
  std::fill_n(out, jobs.jobs * p, not_a_number);
  if (numbers_out) std::fill_n(numbers_out, jobs.jobs * kMostNuisance, not_a_number);
  return for_each(law, table, objective, jobs, [&](RowModel& model, int64_t job) {
    std::vector<double> matrix(static_cast<size_t>(p) * p);
    const int8_t* on_bound = active + job * p;
    double variance[kMostNuisance];
    CovarianceRequest request{kind, absolute, 0, jobs.count[job]};
    request.own = own(jobs, job);
    covariance(model, jobs.parameters + job * p, on_bound, request, matrix.data(), p, numbers_out ? &variance[0] : nullptr);
    for (int k = 0; numbers_out && k < kMostNuisance; ++k) numbers_out[job * kMostNuisance + k] = std::sqrt(variance[k]);
    for (int k = 0; k < p; ++k)
      if (!on_bound[k]) out[job * p + k] = std::sqrt(matrix[static_cast<size_t>(k) * p + k]);
  });
}

}  // namespace lawfit
