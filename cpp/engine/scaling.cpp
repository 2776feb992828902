#include "scaling.hpp"

#include <algorithm>
#include <cmath>

namespace lawfit {

namespace {
constexpr double kRounded = 1e-12;   // coefficients below this are zero
constexpr double kMostDegrees = 64;  // laws with more parameters are left as they are

// A degree as a linear form of the parameters' degrees; the last entry is the constant.
using Form = std::vector<double>;

Form combined(const Form& a, double share, const Form& b) {
  Form out = a;
  for (size_t k = 0; k < out.size(); ++k) out[k] += share * b[k];
  return out;
}

// Walks the graph upwards with the degree of every node, noting what must hold on the way.
class DegreeWalk {
 public:
  DegreeWalk(const Graph& graph, const std::vector<ScaledNode>& scaled, const std::vector<bool>& movable)
      : graph_(graph), scaled_(scaled), movable_(movable), size_(movable.size() + 1) {}

  std::vector<Form> equations(int root, const std::vector<char>& live) {
    forms_.assign(root + 1, Form(size_, 0.0));
    for (int i = 0; i <= root; ++i) if (live[i]) forms_[i] = degree(i);
    equations_.push_back(forms_[root]);
    return std::move(equations_);
  }

 private:
  Form degree(int i) {
    const Node& n = graph_[i];
    const auto seed = std::find_if(scaled_.begin(), scaled_.end(), [&](const ScaledNode& s) { return s.node == i; });
    Form out(size_, 0.0);
    if (seed != scaled_.end()) {
      unchanged(n);
      out.back() = seed->degree;
      return out;
    }
    switch (n.op) {
      case Op::PARAM:
        if (movable_[static_cast<size_t>(n.value)]) out[static_cast<size_t>(n.value)] = 1;
        return out;
      case Op::MUL: case Op::MUL0: return combined(forms_[n.a], 1, forms_[n.b]);
      case Op::DIV: case Op::DIV0: return combined(forms_[n.a], -1, forms_[n.b]);
      case Op::NEG: case Op::ABS: return forms_[n.a];
      case Op::SQRT: return combined(out, 0.5, forms_[n.a]);
      case Op::ADD: case Op::SUB: case Op::MIN: case Op::MAX: return alike(n.a, n.b);
      case Op::LESS: case Op::LESS_EQUAL: case Op::EQUAL: alike(n.a, n.b); return out;
      case Op::WHERE: equations_.push_back(forms_[n.a]); return alike(n.b, n.c);
      default: unchanged(n); return out;
    }
  }
  Form alike(int a, int b) {
    equations_.push_back(combined(forms_[a], -1, forms_[b]));
    return forms_[a];
  }
  void unchanged(const Node& n) {
    for (int child : {n.a, n.b, n.c}) if (child >= 0) equations_.push_back(forms_[child]);
  }

  const Graph& graph_;
  const std::vector<ScaledNode>& scaled_;
  const std::vector<bool>& movable_;
  const size_t size_;
  std::vector<Form> forms_, equations_;
};

// One solution of form = 0 for all forms, or nothing; what is left open is zero.
std::vector<double> solve(std::vector<Form> equations, int unknowns) {
  std::vector<int> pivot_of(unknowns, -1);
  int used = 0;
  for (int k = 0; k < unknowns; ++k) {
    const auto first = equations.begin() + used;
    const auto row = std::max_element(first, equations.end(), [&](const Form& a, const Form& b) { return std::fabs(a[k]) < std::fabs(b[k]); });
    if (row == equations.end() || std::fabs((*row)[k]) < kRounded) continue;
    std::iter_swap(first, row);
    for (size_t e = 0; e < equations.size(); ++e)
      if (static_cast<int>(e) != used) equations[e] = combined(equations[e], -equations[e][k] / (*first)[k], *first);
    pivot_of[k] = used++;
  }
  for (size_t e = used; e < equations.size(); ++e) if (std::fabs(equations[e].back()) > kRounded) return {};
  std::vector<double> solution(unknowns, 0.0);
  for (int k = 0; k < unknowns; ++k)
    if (pivot_of[k] >= 0) solution[k] = -equations[pivot_of[k]].back() / equations[pivot_of[k]][k];
  return solution;
}
}  // namespace

std::vector<double> compensating_degrees(const Graph& graph, int root, const std::vector<char>& live,
                                         const std::vector<ScaledNode>& scaled, const std::vector<bool>& movable) {
  if (movable.size() > kMostDegrees) return {};
  return solve(DegreeWalk(graph, scaled, movable).equations(root, live), static_cast<int>(movable.size()));
}

}  // namespace lawfit
