// The starts of every group of a call: made, given, or around an optimum already found.
#pragma once
#include <memory>

#include "fit.hpp"
#include "starts.hpp"

namespace lawfit {

class StartSource {
 public:
  StartSource(const CompiledLaw& law, const FitRequest& request, const TableData& table, uint64_t seed);

  // Each writes starts (natural scale) for the rows of one group of the request. Of automatic ones
  // there are automatic_count(), which may be made in waves of some.
  int64_t automatic_count() const;
  static int64_t count(const CompiledLaw& law, const ObjectiveSpec& objective, const std::vector<double>& lower,
                       const std::vector<double>& upper, const std::vector<double>& guess, const StartRequest& starts);
  void automatic(int64_t group, int64_t wave, int64_t each, double* out);
  void project(int64_t group, int64_t starts, double* values, int threads);
  // Further ones, around `centre` or, where that is null, anywhere.
  void more(int64_t group, const double* centre, int round, int64_t each, double* out);
  int plain(int64_t group, int starts, double* out);   // see StartMaker
  bool any_on_edge(int64_t group, const double* values);
  int nonlinear() const;

 private:
  bool projects() const;
  struct Worker {
    std::unique_ptr<Evaluator> linear, real;
    std::unique_ptr<StartMaker> maker;
  };
  Worker make_worker() const;
  struct Rows { const TableData *linear, *real; int64_t begin, count; };
  Rows look_at(int64_t group);
  StartPlan plan_for(int64_t count) const;
  Screening screening(int64_t wave, int64_t each) const;
  void make_for(int64_t count);

  const CompiledLaw& law_;
  const FitRequest& request_;
  const TableData& table_;
  const uint64_t seed_;
  TableData linear_table_, sampled_linear_, sampled_;
  bool weighted_;
  std::vector<Worker> workers_;        // more than one only to share many given starts
  StartPlan plan_;
  struct Made { Layout layout; int64_t capacity; int nodes; bool subsets; };   // what the maker serves
  Made made_{Layout::problems, -1, 0, false};
  int64_t longest_, samples_ = 0;
};

}  // namespace lawfit
