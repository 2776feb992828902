// Where fits begin: nodes of the nonlinear parameters on the scales the law and the data give
// them, with the linear parameters solved for at every node.
#pragma once
#include <vector>

#include "evaluate.hpp"
#include "sobol.hpp"

namespace lawfit {

struct StartPlan {
  const Analysis* analysis;
  const Program* program;
  std::vector<int> kept_of_role;        // per parameter: kept column that sets its scale, or -1
  std::vector<char> logged;             // that column holds the logarithm of the wanted one
  std::vector<double> lower, upper, guess;
  Space space;
  Loss loss;
  int nodes;                            // screened
  int chosen;                           // kept for the far phase
  bool subsets;                         // solve linear parameters on random halves of the rows, too
};
StartPlan plan_starts(const Graph& graph, const Analysis& analysis, const Program& program, std::vector<double> lower,
                      std::vector<double> upper, std::vector<double> guess, Space space, Loss loss, int64_t rows, int asked, int one_in);

// Of the plan's nodes those that are screened together, and how many starts they are to give.
struct Screening { int first, nodes, starts; };

class StartMaker {
 public:
  // linear: squared residuals in linear space, weighted so that they approximate the real ones;
  // real: the objective itself, which ranks the nodes.
  StartMaker(const StartPlan& plan, bool exponential_target, const Centring& centring, Evaluator& linear, Evaluator& real, double scale, double tail);
  void set_numbers(const LossNumbers& own) { scale_ = own.scale; tail_ = own.tail; }
  // Writes starts (natural scale) for rows [begin, begin + count): spread over the scales of the
  // law, or scattered around `centre` (natural scale) when it is not null.
  void make(const TableData& linear_table, const TableData& real_table, int64_t begin, int64_t count, uint64_t seed,
            const double* centre, Screening part, double* out);
  // Nodes as they come, low or not, if the law has a value there; returns how many, at most `starts`.
  int make_plain(const TableData& linear_table, const TableData& real_table, int64_t begin, int64_t count, uint64_t seed, int starts, double* out);
  // Given starts: replaces the linear parameters by solved ones where that lowers the objective.
  void project(const TableData& linear_table, const TableData& real_table, int64_t begin, int64_t count, int64_t starts, double* values);
  // Whether a parameter is at the edge of where the data could tell it.
  bool any_on_edge(const TableData& table, int64_t begin, int64_t count, const double* natural);

 private:
  double column_size(int parameter) const;
  bool on_edge(int parameter, double value) const;
  double off_edge(int parameter, double value, double u) const;
  void prepare(const TableData& linear_table, const TableData& real_table, int64_t begin, int64_t count, const double* centre);
  void find_unfelt();
  double draw_unfelt(int parameter, double u) const;
  void screen(const TableData& linear_table, int64_t begin, int64_t count, uint64_t seed, int from, int nodes);
  void write_starts(int starts, double* out);
  void write_lane(int lane, double* out) const;
  void load(const TableData& linear_table, const TableData& real_table, int64_t begin, int64_t count);
  void solve_lanes(bool nonnegative, double share);
  void reweigh_lanes();
  V objectives();
  void draw_subsets(const TableData& table, int64_t begin, int64_t count, uint64_t seed, int first);
  bool through_logarithm() const { return plan_.space != Space::linear && plan_.space != Space::relative; }
  int dimensions() const { return std::max<int>(static_cast<int>(nonlinear_.size()), 1); }
  void choose_starts(const Screening& part);
  void basins_first(const Screening& part);
  void draw(int node, double* unit, double* theta);
  void centre_natural(double* theta);
  double draw_one(int parameter, double u, int node) const;
  double scatter_one(int parameter, double u) const;
  void solve_linear(int lane, bool nonnegative, double share);
  void column_ranges(const TableData& table, int64_t begin, int64_t count);

  const StartPlan& plan_;
  const Centring& centring_;
  Evaluator &linear_, &real_;
  double scale_, tail_;
  const int p_;
  Arena arena_;
  V *theta_, *unweighed_;
  Sums sums_;
  std::vector<double> smallest_, largest_, closest_;   // per parameter: range of its column, smallest size
  std::vector<char> unfelt_;           // per parameter: the law does not feel it at the centre
  std::vector<double> nodes_, objective_, means_, units_, gram_, right_, solution_, work_, sizes_, scratch_, around_, subset_;
  std::vector<int> nonlinear_, linear_parameters_, natural_, order_;   // natural_: nonlinear ones whose draws centring moves
  const Sobol* sobol_ = nullptr;
  const double* centre_ = nullptr;     // centred coordinates
  double target_size_ = 0;             // typical log size of y
  bool exponential_target_ = false;    // y itself is a logarithm (the law ends in one)
};

}  // namespace lawfit
