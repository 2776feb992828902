// A set of starts taken all the way down: far phase, finish, and second chances for given starts.
// Many starts of a group race: the best after a part of the far phase go all the way first; others
// that turn out to be in the basin of what those found, or far behind, are not followed any further.
// Witnesses are, and overrule the race where they end lower. Few automatic starts are only given up
// far behind in the finish. No race when every start is to be kept.
#pragma once
#include <cmath>
#include <vector>

#include "row_model.hpp"
#include "stages.hpp"

namespace lawfit {

struct RowRange {
  int64_t begin, count;
  double size;   // typical_size() of the rows
  const LossNumbers* own = nullptr;
};

inline double finite_objective(const Outcome& o) { return std::isfinite(o.objective) ? o.objective : infinity; }
inline bool fitted(Status s) { return s == Status::converged || s == Status::converged_at_bound; }
// After the far phase: cut short by its limit of steps, and handed over to the finish.
inline bool cut_short(const Outcome& o) { return !o.settled && o.status == Status::iteration_limit; }
inline bool unfinished(const Outcome& o) { return cut_short(o) || (!o.settled && o.status == Status::converged); }
double typical_size(const TableData& table, int64_t begin, int64_t count);   // root mean square of T(y)/sigma

constexpr double kSharpest = 2e-15;     // smoothing of kinks that rounding leaves meaningful, of the data's size
constexpr double kSameBasin = 1e-6;   // relative objective within which two optima are one

constexpr int64_t kLongTable = 100;   // rows above which most laws have one optimum or a few
constexpr size_t kManyStarts = 100;   // per group, from which they race: few are followed one by one

inline bool same_rows(const Job& a, const Job& b) { return a.begin == b.begin && a.count == b.count; }

class Descent {
 public:
  Descent(const Problem& problem, const TableData& table, RowModel& rows, const FitOptions& options, Cancellation& cancelled)
      : problem_(problem), table_(table), rows_(rows), options_(options), cancelled_(cancelled), p_(problem.parameters()) {}

  // Start k (natural scale, k*parameters in `starts`) is fitted to the rows ranges[k]. Where
  // `given` is not null, start k that is lost is tried again from given[k].
  void run(const std::vector<RowRange>& ranges, std::vector<double> starts, const std::vector<const double*>& given);
  // The same from beside an optimum of a kinked loss, into the nearest of its own.
  void settle(const std::vector<RowRange>& ranges, std::vector<double> starts);
  // Refits of replicates, whose jobs bring their own weights or targets, from the optimum of the
  // full data. Those that do not settle from there go the long way round.
  void refit(std::vector<Job> jobs);
  const std::vector<Outcome>& outcomes() const { return outcomes_; }

 private:
  void begin(const std::vector<RowRange>& ranges, std::vector<double> starts);
  void far(const Problem& problem, std::vector<Job>& jobs, std::vector<Outcome>& outcomes, const std::vector<double>& sizes);
  void finish(std::vector<Job>& jobs, std::vector<Outcome>& outcomes, const std::vector<double>& sizes, const FitOptions& options);
  void finish(std::vector<Job>& jobs, std::vector<Outcome>& outcomes, const std::vector<double>& sizes, const std::vector<int64_t>& todo,
              const FitOptions& options);
  void finish_in_legs();
  struct Field {                    // the starts of one group that race each other
    int64_t first, last;
    int64_t best;                   // the lowest optimum so far, or -1
    std::vector<int64_t> left;      // those not at an end yet
  };
  bool continues_field(size_t start) const;   // of the start before it
  bool many_starts() const;
  std::vector<Field> all_fields() const;
  void race(std::vector<Field>& fields);
  void far_from_starts(const FitOptions& options);
  double far_scale(double size) const;
  double spread_at_start(const Job& job);
  double wide_scale(const Job& job);
  bool witness(int64_t start) const;
  void disprove(const std::vector<Field>& fields);
  void stop_behind(std::vector<Field>& fields);
  void still_left(Field& field) const;
  void follow(const std::vector<int64_t>& ahead);
  std::vector<int64_t> leaders(const std::vector<Field>& fields, bool first) const;
  void absorb(std::vector<Field>& fields);
  void go_on(Stage stage, std::vector<Job>& jobs, std::vector<Outcome>& outcomes, const std::vector<int64_t>& todo, const FitOptions& options);
  void exact_objectives();
  template <class Attempt> void retry(const std::vector<const double*>& given, const Attempt& attempt);

  const Problem& problem_;
  const TableData& table_;
  RowModel& rows_;
  const FitOptions& options_;
  Cancellation& cancelled_;
  const int p_;
  bool own_weights_ = false;
  std::vector<double> starts_, parameters_;
  std::vector<int8_t> active_;
  std::vector<double> sizes_;       // of the jobs' rows
  std::vector<Job> jobs_;
  std::vector<Outcome> outcomes_;
};

}  // namespace lawfit
