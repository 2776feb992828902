// Data columns can be centred exactly where other parameters make up for the shift: exponents and
// amplitudes, slopes and offsets then hardly trade off with each other.
#pragma once
#include <vector>

#include "graph.hpp"
#include "simd.hpp"

namespace lawfit {

// One way a power or slope moves a partner when its column is shifted by its mean c:
// amplitude * exp(p*x) = (amplitude*exp(p*c)) * exp(p*(x - c)), and offset + p*x likewise.
struct CentreShift {
  int column;        // index into Centring::nodes
  int partner;       // parameter that absorbs the shift
  bool multiplies;   // partner is scaled (by exp(p*c)), else an offset (plus p*c)
  int parameter;     // p = coefficient * parameter, or the coefficient alone when -1
  double coefficient;
};
struct Centring {
  std::vector<int> nodes;             // data-only nodes replaced by themselves minus their mean
  std::vector<CentreShift> shifts;
};

// Consumers of every node that the model value needs.
std::vector<std::vector<int>> consumers_of(const Graph& graph, int root);

// movable[k]: parameter k has no finite bound other than 0, so it may be rescaled;
// unbounded[k]: no finite bound at all, so an offset may be shifted.
Centring find_centring(const Graph& graph, int root, const std::vector<std::vector<int>>& consumers,
                       const std::vector<bool>& movable, const std::vector<bool>& unbounded);

// By how much it moves the partner, or its logarithm, of one parameter vector or of one a lane.
inline double centre_shift(const CentreShift& s, const double* parameters, const double* means) {
  return (s.parameter < 0 ? s.coefficient : s.coefficient * parameters[s.parameter]) * means[s.column];
}
inline V centre_shift(const CentreShift& s, const V* parameters, const V* means) {
  return (s.parameter < 0 ? broadcast(s.coefficient) : broadcast(s.coefficient) * parameters[s.parameter]) * means[s.column];
}
// Moves one parameter vector, or one a lane, to centred coordinates (direction +1) or back (-1).
void shift_centre(const Centring& centring, double* parameters, const double* means, double direction);
void shift_centre(const Centring& centring, V* parameters, const V* means, double direction);

}  // namespace lawfit
