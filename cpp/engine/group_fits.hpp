// Fits of one law to groups of rows under one objective, all starts together: starts -> far ->
// finish -> searches around the best -> reduce -> certificate. What kinked losses need besides is in
// kinked_fits.cpp, starts through a few rows are in few_rows.cpp, what is said of the ends is in group_ends.cpp.
#pragma once
#include <cmath>
#include <functional>
#include <memory>
#include <vector>

#include "descent.hpp"
#include "start_source.hpp"

namespace lawfit {

constexpr int64_t kFewRows = 64;      // that leave a law with so many nonlinear parameters, or a loss with optima of its own, many optima
constexpr int kRuggedDimensions = 2;
constexpr double kTie = 1e-9;   // relative objective within which two ends are as low

class Draws;

class GroupFits {
 public:
  GroupFits(const CompiledLaw& law, const FitRequest& request, const FitOptions& options, Cancellation& cancelled);
  // Fills the rows of `out` that belong to the request's groups.
  void run(FitTable& out);

 private:
  // One set of descents: those of group g are outcomes [first[g], first[g + 1]).
  struct Round {
    std::unique_ptr<Descent> descent;
    std::vector<int64_t> first;
    int64_t count(int64_t g) const { return first[g + 1] - first[g]; }
    const Outcome* outcomes(int64_t g) const { return descent->outcomes().data() + first[g]; }
  };
  // What a round begins from, group after group.
  struct Starts {
    std::vector<int64_t> count;     // per group
    std::vector<double> values;
  };
  Starts no_starts() const { return {std::vector<int64_t>(usable_.size(), 0), {}}; }
  double* add(Starts& starts, int64_t g, int64_t n) const;   // where n starts of g are to be written
  int64_t begin(int64_t g) const { return request_.offsets[g]; }
  int64_t count(int64_t g) const { return request_.offsets[g + 1] - request_.offsets[g]; }
  RowView rows_of(int64_t g) const { return {begin(g), count(g), nullptr, nullptr, request_.own_of(g)}; }
  bool usable(int64_t g) const;
  const double* given(int64_t g) const;   // its starts
  template <class Visit> void each_outcome(int64_t g, const Visit& visit) const {
    for (const Round& round : rounds_)
      for (int64_t k = 0; k < round.count(g); ++k) visit(round.outcomes(g)[k]);
  }

  // A round, whose starts go down as go(descent, ranges, starts) has them.
  using Go = std::function<void(Descent&, const std::vector<RowRange>&, std::vector<double>)>;
  void descend(Starts starts, const Go& go);
  void descend_from(Starts starts);
  void settle_from(Starts starts);   // into the nearest optimum
  void descend_given();
  int64_t wave(int64_t g) const;     // starts that go down together
  bool descend_wave(int64_t number);
  bool agreed(int64_t g);
  void look_anywhere();
  bool searches() const { return !request_.starts.given && !request_.starts.asked && request_.starts.one_in == 1; }
  void search_on();
  bool hop(int round);
  bool promising(int64_t g, double low, int round);
  void look_beside();
  bool look_beside_once(int look);
  void look_through_few_rows();
  bool look_through_few_rows_once(int look);
  int sets(int64_t g) const;
  bool few_may_count(int64_t g) const;
  bool worth_another_look(int64_t g, int look) const;
  Starts curves_through_few_rows(const std::vector<int64_t>& groups, int look);
  void starts_through_few_rows(int64_t g, int look, double* out);
  void draw_rows(int64_t g, Draws& draws, int64_t number, double* weight) const;
  bool at_no_optimum(int64_t g, const Outcome& o);
  bool took_part(int64_t g) const { return rounds_.back().count(g) > 0; }   // in the last round
  bool improved(int64_t g) const;
  double lowest(int64_t g) const;
  const Outcome* best(int64_t g, double low) const;     // low: of the group's objectives
  double basin_limit(int64_t g, double low) const;
  double share(int64_t g, double low) const;
  bool cornered(int64_t g, double low);   // by the loss, which bends sharply
  int64_t optima_seen(int64_t g, double low);
  bool another_likely(int64_t g, double low, int64_t optima);
  void reduce_starts(int64_t g, int64_t row, double low, FitTable& out) const;
  Outcome sharpest_end(int64_t g, const Outcome& best, double* values);
  void lower_start(int64_t g, Outcome& lowest, double* values);
  int32_t go_on(int64_t g, Outcome& o, double* values);
  void reduce_group(int64_t g, int64_t row, double low, FitTable& out);
  Status own_status(const Outcome& o) const;
  Status certified(int64_t g, const Outcome& o, const double* values, const int8_t* active, uint8_t* tradeoff);
  Status settled_status(const int8_t* active) const;

  const FitRequest& request_;
  FitOptions options_;
  Cancellation& cancelled_;
  const int p_;
  Problem problem_;
  TableData table_;
  RowModel rows_;
  const int64_t law_rows_;         // that a group needs
  StartSource source_;
  int64_t starts_ = 0;
  std::vector<char> usable_;
  std::vector<double> typical_, ends_;
  std::vector<Round> rounds_;      // its starts, then its hops
};

}  // namespace lawfit
