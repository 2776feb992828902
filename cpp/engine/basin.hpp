// Is a start already in the basin of a known optimum? It is when the straight way there, in the
// metric of the far phase, leads downhill all along.
#pragma once
#include <vector>

#include "solver.hpp"

namespace lawfit {

class BasinTest {
 public:
  // rows: the most that a group tested here has.
  BasinTest(const Problem& problem, const TableData& table, int64_t rows);
  // For rows [begin, begin + count): which of n starts (natural scale) lie in the optimum's basin.
  void inside(int64_t begin, int64_t count, const double* optimum, const double* const* starts, int64_t n, const LossNumbers& numbers, char* answer);

 private:
  V objective_at(double way, const LossNumbers& numbers);

  const Problem& problem_;
  const TableData& table_;
  const int p_;
  Evaluator evaluator_;
  Arena arena_;
  V *from_, *to_, *theta_;
  L* logarithmic_;
  Sums sums_;
  std::vector<double> means_, scratch_;
};

}  // namespace lawfit
