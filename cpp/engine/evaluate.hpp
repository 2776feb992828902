// Runs a program over a tile: W problems side by side (lanes), point by point in blocks that
// stay in cache, and sums value, gradient and curvature matrices on the way.
#pragma once
#include <memory>
#include <vector>

#include "accumulate.hpp"
#include "kernels.hpp"
#include "objective.hpp"
#include "program.hpp"

namespace lawfit {

// One allocation, cut into vector-aligned pieces.
class Arena {
 public:
  explicit Arena(size_t vectors);
  double* take(size_t vectors);
  V* take_vectors(size_t count) { return reinterpret_cast<V*>(take(count)); }
 private:
  std::unique_ptr<double[]> memory_;
  double *next_, *end_;
};

// Per-row arrays of a whole table, in row order, as the program reads them.
struct TableData {
  int64_t rows = 0, version = 0;              // version: changes when the same object holds other rows
  std::vector<std::vector<double>> columns;   // one per Program::kept
  std::vector<double> target;                 // T(y)
  std::vector<double> inverse_sigma, weight;  // empty: all one
};
TableData prepare_table(const Program& program, const double* const* variables, const double* y, const double* weight,
                        const double* sigma, int64_t rows, Space space);

// Sums over points; matrices are packed lower triangles, entry (i, j) at i*(i+1)/2 + j.
struct Sums {
  V *value, *energy, *sensitivity, *gradient, *majorised, *second;
  int vectors;                     // in all, contiguous from `value`
};
constexpr int sum_vectors(int p) { return 3 + p + p * (p + 1); }
// Lays the sums out over sum_vectors(p) vectors; without `second` they end before it.
inline Sums make_sums(V* at, int p, bool second) {
  const int entries = p * (p + 1) / 2;
  return {at, at + 1, at + 2, at + 3, at + 3 + p, at + 3 + p + entries, sum_vectors(p) - (second ? 0 : entries)};
}

enum class Layout { problems, points };   // what the lanes are

class Evaluator {
 public:
  Evaluator(const Program& program, Space space, Loss loss, int64_t capacity, bool weighted, bool with_sigma, Layout layout);

  // Fills one lane with rows [begin, begin + count) of a table; `weight` overrides the table's
  // and `target` its T(y). `means` receives the mean of every centred column (subtracted here). In the points layout
  // the lane must be 0 and all lanes are filled.
  void load_lane(int lane, const TableData& table, int64_t begin, int64_t count, const double* weight, double* means,
                 const double* target = nullptr);
  // The same, but rows whose weight is zero are left out: a resample draws two thirds of its rows.
  void load_drawn(int lane, const TableData& table, int64_t begin, int64_t count, const double* weight, double* means,
                  const double* target = nullptr);
  // At the linear tier sums over derivatives are those of the linear parameters; others stay as they were.
  void evaluate(Tier tier, const V* parameters, const LossShape& shape, const Sums& sums);
  // That tier's gradient and majoriser of the linearised residuals instead of the loss's own; no value.
  void evaluate_linearised(const V* parameters, const LossShape& shape, const Sums& sums);
  double weight_total(int lane) const;
  int64_t swept() const { return used_rows_ * W; }   // rows of all lanes that one evaluation goes through
  int lanes() const { return layout_ == Layout::points ? 1 : W; }   // independent problems at once
  // After evaluate() at the Hessian's tier: the first row's model value and derivatives in every lane,
  // the second ones as packed lower triangle (problems layout only).
  void first_row(V* value, V* jacobian, V* hessian) const;
  // Per-row results of one parameter vector (points layout only): any pointer may be null.
  struct Rows { double *model, *slope, *majoriser, *curvature, *jacobian, *value = nullptr; };   // jacobian: rows x parameters
  void rows(const V* parameters, const LossShape& shape, const Rows& out);

 private:
  struct Call { Kernel run; double* out; const double *a, *b, *c; int column_a, column_b, column_c; };
  struct Column { const double* base; int stride; bool moves; };   // moves: starts at the block's first row
  Call resolve(const Instruction& instruction, bool once);
  const double* address(Slot slot, int& column) const;
  Column locate(Slot slot) const;
  void run_points(Tier tier, int64_t first, int count);
  void accumulate(Tier tier, int64_t first, int count, const Sums& sums);
  size_t linear_entries() const { return program_.linear.size() * (program_.linear.size() + 3) / 2; }
  void take_linear(const Sums& sums) const;
  void across_lanes(V* sums, size_t number) const;
  void hold(int lane, const TableData& table, int64_t begin, int64_t count, const std::vector<int32_t>* drawn, const double* weight,
            double* means, const double* target);
  void fill(double* tile, int lane, const double* source, const std::vector<int32_t>* drawn, int64_t used, double shift);
  void pad(double* tile, int lane, int64_t from, double value);
  void run_once(Tier tier, const V* parameters);
  ObjectiveSums sweep(Tier tier, const V* parameters, ObjectiveKernel objective, const LossShape& shape, const Sums& sums);
  ObjectiveBlock objective_block(int64_t first, const LossShape& shape) const;

  const Program& program_;
  Layout layout_;
  int64_t tile_rows_, used_rows_ = 0;   // used: those of the longest lane
  int block_;                       // points per block
  ObjectiveKernel value_only_, sloped_, curved_, linearised_;
  Arena arena_;
  double *uniform_, *registers_, *columns_, *target_, *inverse_sigma_, *weight_, *slope_, *majoriser_, *curvature_, *ones_;
  bool weighted_, with_sigma_;
  std::vector<Call> once_, points_;
  Column value_;
  std::vector<Column> jacobian_, hessian_;
  std::vector<JacobianColumn> columns_now_;   // the Jacobian of the current block, then the Hessian
  V *hessian_sums_, *linear_sums_;  // linear: gradient, then the packed majoriser
  struct Held {                     // rows [begin, begin + count) of a table, `used` of them
    const TableData* table = nullptr;
    int64_t version = 0, begin = 0, count = 0, used = 0;
    const double *weight = nullptr, *target = nullptr;
  };
  Held held_[W];                    // what each lane holds, so that equal data are not copied again
  std::vector<int32_t> drawn_;      // rows with weight of the lane being loaded
  std::vector<double> means_;       // [centred column][lane]
};

}  // namespace lawfit
