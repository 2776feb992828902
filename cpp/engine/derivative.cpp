// Derivatives on the graph, by symbolic reverse mode: every rule builds nodes, so that values the
// law already computes are shared.
#include <cmath>

#include "graph.hpp"

namespace lawfit {

void Graph::accumulate(int target, int term, std::vector<int>& adjoints) {
  if (!nodes_[target].on_parameters || is_constant(term, 0)) return;
  int& slot = adjoints[target];
  slot = slot == kZero ? term : make(Op::ADD, slot, term);
}

void Graph::derive(int i, int w, std::vector<int>& adjoints) {
  const Node n = nodes_[i];
  auto to = [&](int child, int term) { accumulate(child, term, adjoints); };
  auto k = [&](double value) { return constant(value); };
  auto mul = [&](int a, int b) { return make(Op::MUL, a, b); };
  auto needs = [&](int child) { return child >= 0 && nodes_[child].on_parameters; };
  switch (n.op) {
    case Op::ADD: to(n.a, w); to(n.b, w); break;
    case Op::SUB: to(n.a, w); to(n.b, make(Op::NEG, w)); break;
    case Op::NEG: to(n.a, make(Op::NEG, w)); break;
    case Op::MUL:
      if (needs(n.a)) to(n.a, mul(w, n.b));
      if (needs(n.b)) to(n.b, mul(w, n.a));
      break;
    case Op::MUL0:
      if (needs(n.a)) to(n.a, make(Op::MUL0, w, n.b));
      if (needs(n.b)) to(n.b, make(Op::MUL0, n.a, w));
      break;
    case Op::DIV: case Op::DIV0: {
      int share = make(n.op, w, n.b);
      to(n.a, share);
      if (needs(n.b)) to(n.b, make(Op::NEG, mul(share, i)));
      break;
    }
    case Op::RECIPROCAL: to(n.a, make(Op::NEG, mul(w, make(Op::SQUARE, i)))); break;
    case Op::SQUARE: to(n.a, mul(w, mul(k(2), n.a))); break;
    // Of a power whose base is zero: the vanished power outweighs an infinite logarithm in w.
    case Op::EXP: to(n.a, nodes_[n.a].op == Op::MUL0 ? make(Op::MUL0, i, w) : mul(w, i)); break;
    case Op::LOG: to(n.a, make(Op::DIV0, w, n.a)); break;
    case Op::LOG1P: to(n.a, make(Op::DIV, w, make(Op::ADD, n.a, k(1)))); break;
    case Op::EXPM1: to(n.a, mul(w, make(Op::EXP, n.a))); break;
    case Op::SQRT: to(n.a, make(Op::DIV0, mul(w, k(0.5)), i)); break;
    case Op::ABS: to(n.a, make(Op::MUL0, make(Op::SIGN, n.a), w)); break;   // 0 at the kink
    case Op::SIN: to(n.a, mul(w, make(Op::COS, n.a))); break;
    case Op::COS: to(n.a, make(Op::NEG, mul(w, make(Op::SIN, n.a)))); break;
    case Op::ARCTAN: to(n.a, make(Op::DIV, w, make(Op::ADD, make(Op::SQUARE, n.a), k(1)))); break;
    case Op::TANH: {   // 1 - tanh(x)**2 without its cancellation where tanh saturates
      int twice = mul(k(2), n.a);
      int slope = mul(k(4), mul(make(Op::LOGISTIC, twice), make(Op::LOGISTIC, make(Op::NEG, twice))));
      to(n.a, mul(w, slope));
      break;
    }
    case Op::ERF:
      to(n.a, mul(w, mul(k(2 / std::sqrt(M_PI)), make(Op::EXP, make(Op::NEG, make(Op::SQUARE, n.a))))));
      break;
    case Op::NORMCDF:
      to(n.a, mul(w, mul(k(1 / std::sqrt(2 * M_PI)), make(Op::EXP, mul(k(-0.5), make(Op::SQUARE, n.a))))));
      break;
    case Op::LOGISTIC: to(n.a, mul(w, mul(i, make(Op::LOGISTIC, make(Op::NEG, n.a))))); break;
    case Op::GAMMALN: to(n.a, mul(w, make(Op::DIGAMMA, n.a))); break;
    case Op::DIGAMMA: to(n.a, mul(w, make(Op::TRIGAMMA, n.a))); break;
    case Op::TRIGAMMA: to(n.a, mul(w, make(Op::TETRAGAMMA, n.a))); break;
    case Op::BETALN:
      if (needs(n.a)) to(n.a, mul(w, make(Op::DIGAMMA_GAP, n.a, n.b)));
      if (needs(n.b)) to(n.b, mul(w, make(Op::DIGAMMA_GAP, n.b, n.a)));
      break;
    case Op::DIGAMMA_GAP: case Op::TRIGAMMA_GAP: {
      const bool first = n.op == Op::DIGAMMA_GAP;
      const int sum = make(Op::ADD, n.a, n.b), of_sum = make(first ? Op::TRIGAMMA : Op::TETRAGAMMA, sum);
      if (needs(n.a)) to(n.a, mul(w, first ? make(Op::TRIGAMMA_GAP, n.a, n.b) : make(Op::SUB, make(Op::TETRAGAMMA, n.a), of_sum)));
      if (needs(n.b)) to(n.b, make(Op::NEG, mul(w, of_sum)));
      break;
    }
    case Op::LOGADDEXP:
      if (needs(n.a)) to(n.a, mul(w, make(Op::LOGISTIC, make(Op::SUB, n.a, n.b))));
      if (needs(n.b)) to(n.b, mul(w, make(Op::LOGISTIC, make(Op::SUB, n.b, n.a))));
      break;
    // At a tie the whole derivative goes to the first argument.
    case Op::MIN: case Op::MAX: {
      int first = n.op == Op::MIN ? make(Op::LESS_EQUAL, n.a, n.b) : make(Op::LESS_EQUAL, n.b, n.a);
      if (needs(n.a)) to(n.a, make(Op::MUL0, first, w));
      if (needs(n.b)) to(n.b, make(Op::MUL0, make(Op::SUB, k(1), first), w));
      break;
    }
    default: break;   // leaves, and piecewise constant operations
  }
}

// The derivative of a choice is the choice of the derivatives. Each branch is differentiated by
// itself and chosen afterwards: passed through it, the adjoint of the branch not taken would be
// zero times whatever slope that branch has there, which may be infinite or NaN. The condition
// carries no derivative.
void Graph::derive_choice(int i, int w, std::vector<int>& result, const BranchGradients& branches) {
  const Node n = nodes_[i];
  const std::vector<int>&yes = branches.at(n.b), &no = branches.at(n.c);
  for (size_t k = 0; k < result.size(); ++k) {
    if (yes[k] == kZero && no[k] == kZero) continue;
    auto slope = [&](int node) { return node == kZero ? constant(0) : node; };
    const int term = make(Op::MUL0, choice(n.a, slope(yes[k]), slope(no[k])), w);
    if (is_constant(term, 0)) continue;
    result[k] = result[k] == kZero ? term : make(Op::ADD, result[k], term);
  }
}

std::vector<int> Graph::gradient(int root, int parameters) {
  std::vector<char> live(root + 1, 0);
  live[root] = 1;
  for (int i = root; i >= 0; --i)
    if (live[i])
      for (int child : {nodes_[i].a, nodes_[i].b, nodes_[i].c}) if (child >= 0) live[child] = 1;
  BranchGradients branches;   // those of inner choices come before those of outer ones
  for (int i = 0; i <= root; ++i)
    if (live[i] && nodes_[i].op == Op::WHERE)
      for (int branch : {nodes_[i].b, nodes_[i].c})
        if (!branches.count(branch)) branches.emplace(branch, gradient_of(branch, parameters, branches));
  return gradient_of(root, parameters, branches);
}

std::vector<int> Graph::gradient_of(int root, int parameters, const BranchGradients& branches) {
  std::vector<int> result(parameters, kZero), adjoints(root + 1, kZero);
  if (!nodes_[root].on_parameters) return result;
  adjoints[root] = constant(1);
  for (int i = root; i >= 0; --i) {
    const int w = adjoints[i];
    if (w == kZero) continue;
    if (nodes_[i].op == Op::PARAM) {
      int& slope = result[static_cast<int>(nodes_[i].value)];
      slope = slope == kZero ? w : make(Op::ADD, slope, w);
    } else if (nodes_[i].op == Op::WHERE) {
      derive_choice(i, w, result, branches);
    } else {
      derive(i, w, adjoints);
    }
  }
  return result;
}

}  // namespace lawfit
