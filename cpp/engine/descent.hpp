// A set of starts taken all the way down: far phase, finish, and second chances for given starts.
#pragma once
#include <vector>

#include "row_model.hpp"
#include "stages.hpp"

namespace lawfit {

struct RowRange {
  int64_t begin, count;
  double size;   // typical_size() of the rows
};

inline bool fitted(Status s) { return s == Status::converged || s == Status::converged_at_bound; }
double typical_size(const TableData& table, int64_t begin, int64_t count);   // root mean square of T(y)/sigma

constexpr double kSameBasin = 1e-6;   // relative objective within which two optima are one

class Descent {
 public:
  Descent(const Problem& problem, const TableData& table, RowModel& rows, const FitOptions& options, std::atomic<bool>& cancelled)
      : problem_(problem), table_(table), rows_(rows), options_(options), cancelled_(cancelled), p_(problem.parameters()) {}

  // Start k (natural scale, k*parameters in `starts`) is fitted to the rows ranges[k]. Where
  // `given` is not null, start k that is lost is tried again from given[k].
  void run(const std::vector<RowRange>& ranges, std::vector<double> starts, const std::vector<const double*>& given);
  const std::vector<Outcome>& outcomes() const { return outcomes_; }

 private:
  void far(const Problem& problem, std::vector<Job>& jobs, std::vector<Outcome>& outcomes, const std::vector<double>& sizes);
  void finish(std::vector<Job>& jobs, std::vector<Outcome>& outcomes, const std::vector<double>& sizes);
  void exact_objectives();
  template <class Attempt> void retry(const std::vector<const double*>& given, const Attempt& attempt);

  const Problem& problem_;
  const TableData& table_;
  RowModel& rows_;
  const FitOptions& options_;
  std::atomic<bool>& cancelled_;
  const int p_;
  std::vector<double> starts_, parameters_;
  std::vector<int8_t> active_;
  std::vector<double> sizes_;       // of the jobs' rows
  std::vector<Job> jobs_;
  std::vector<Outcome> outcomes_;
};

}  // namespace lawfit
