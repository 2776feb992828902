// The groups of a joint fit, W to a unit, and the arrow-shaped system they make: every group has
// a block of its own parameters and a border that couples it to the shared ones. A group's own
// part is eliminated lane by lane; what is left is a small system in the shared parameters.
#pragma once
#include <vector>

#include "cholesky.hpp"
#include "solver.hpp"

namespace lawfit {

struct SharedRows {
  int64_t begin, count;
  const double* weight = nullptr;      // null: the table's own
};

struct SharedSplit {
  explicit SharedSplit(const std::vector<char>& is_shared);
  std::vector<int> shared, own;        // places among the law's parameters
};

// W groups side by side (one, where a group has rows enough to fill all lanes).
struct SharedUnit {
  int64_t first = 0;                   // place of its first group in the order of evaluation
  int lanes = 0;                       // groups in it
  Layout layout = Layout::problems;
  V *theta, *trial, *step, *factor, *right, *coupling, *reduced, *reduced_right, *fixed_step;
  L* fixed;                            // own parameters whose step is given
  Sums now, next;
  V lambda{}, patience{}, gauss_steps{}, predicted{}, modelled{}, size{}, last_size{};
  L newton{};
};

class SharedUnits {
 public:
  SharedUnits(const Problem& problem, const std::vector<char>& is_shared, const TableData& table, const std::vector<SharedRows>& groups,
              int threads);

  void place(const double* values);            // groups x parameters, natural scale
  void read(double* values) const;
  // At `trial`: sums of every unit into `next`.
  void evaluate(const LossShape& shape);
  void accept();                               // the trial becomes the point, with its sums
  // Eliminates the own parameters of every group and sums what is left over the shared ones.
  void eliminate(double shared_lambda);
  // The own steps that go with a step of the shared parameters. True when one crosses a bound: it
  // is then held there and the system has to be eliminated again.
  bool own_steps(const std::vector<double>& shared_step);
  void hold_pressed();                         // own parameters that press on a bound stay
  void trial_points();

  int shared() const { return static_cast<int>(split_.shared.size()); }
  int own() const { return static_cast<int>(split_.own.size()); }
  const SharedSplit& split() const { return split_; }
  std::vector<SharedUnit>& units() { return units_; }
  int64_t group_of(const SharedUnit& unit, int lane) const { return order_[unit.first + lane]; }
  double weight_total() const { return weight_total_; }
  // Sums over all groups, always in the same order.
  template <class Term> double total(const Term& term) const {
    double sum = 0;
    for (const SharedUnit& unit : units_)
      for (int lane = 0; lane < unit.lanes; ++lane) sum += term(unit)[lane];
    return sum;
  }
  std::vector<double> matrix, right;           // of the shared parameters, after eliminate()

 private:
  int at(int i, int j) const { return i >= j ? i * (i + 1) / 2 + j : j * (j + 1) / 2 + i; }
  template <class Work> void each(const Work& work);
  void load(Evaluator& evaluator, const SharedUnit& unit);
  void eliminate(SharedUnit& unit);
  void fill(SharedUnit& unit, const V* chosen) const;
  V damping(const SharedUnit& unit, int parameter) const;
  void finish_step(SharedUnit& unit, const std::vector<double>& shared_step);
  void predict(SharedUnit& unit) const;

  const Problem& problem_;
  const SharedSplit split_;
  const TableData& table_;
  const std::vector<SharedRows> groups_;
  const int p_, entries_, threads_;
  std::vector<int64_t> order_;
  std::vector<double> means_;                  // groups x centred columns, in evaluation order
  std::vector<SharedUnit> units_;
  std::unique_ptr<Arena> arena_;
  struct Worker { std::unique_ptr<Evaluator> problems, points; };
  std::vector<Worker> workers_;
  int64_t rows_ = 0;
  double weight_total_ = 0;
};

}  // namespace lawfit
