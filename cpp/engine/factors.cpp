#include "factors.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <map>
#include <numeric>

#include "common_pairs.hpp"

namespace lawfit {

namespace {
constexpr double kJacobianWeight = 4, kHessianWeight = 1;   // how often what serves them is computed
constexpr size_t kMostTogether = 16;        // factors of one product; what is longer stays as it stands
constexpr size_t kMostFactors = 5000;       // of all products together: larger laws stay as they are

// sign * product, the product a list of atoms; number 0 is the empty one.
struct Term { int sign = 1, product = 0; };

// What products are made of: a node as it stands, an operation on terms, or a pair of other atoms.
struct Atom {
  enum Kind { leaf, operation, pair } kind;
  Op op = Op::CONST;
  std::array<Term, 3> operands{};
  int node = -1;                            // leaves; others once they are built
  Pair factors{-1, -1};
  int built_sign = 1;                       // the node's value is this times the atom's
};

class Factoring {
 public:
  Factoring(Graph& graph, int root, Analysis& analysis) : graph_(graph), root_(root), analysis_(analysis), nodes_(graph.size()) { product_of({}); }

  int run() {
    find_live();
    for (int i = 0; i < nodes_; ++i) if (live_[i]) take_apart(i);
    weights_.assign(products_.size(), 0);
    each_output([&](int& node, double weight) { need(terms_[node].product, weight); });
    size_t factors = 0;
    for (size_t k = 0; k < products_.size(); ++k) factors += weights_[k] > 0 ? products_[k].size() : 0;
    if (factors > kMostFactors) return root_;
    join();
    each_output([&](int& node, double) { want(terms_[node]); });
    each_output([&](int& node, double) { node = build(terms_[node]); });
    return value_[root_];
  }

 private:
  template <class Visit> void each_output(const Visit& visit) {
    for (int& j : analysis_.jacobian) if (j != kZero) visit(j, kJacobianWeight);
    for (auto& row : analysis_.hessian) for (int& h : row) if (h != kZero) visit(h, kHessianWeight);
  }

  void find_live() {
    live_.assign(nodes_, 0);
    in_value_.assign(nodes_, 0);
    live_[root_] = in_value_[root_] = 1;
    each_output([&](int& node, double) { live_[node] = 1; });
    for (int i = nodes_ - 1; i >= 0; --i)
      for (int child : {graph_[i].a, graph_[i].b, graph_[i].c}) if (child >= 0) {
        live_[child] |= live_[i];
        in_value_[child] |= in_value_[i];
      }
    centred_.assign(nodes_, 0);
    for (int node : analysis_.centring.nodes) centred_[node] = 1;
    terms_.resize(nodes_);
    value_.resize(nodes_);
    own_.assign(nodes_, -1);
    std::iota(value_.begin(), value_.end(), 0);
  }

  // Taking apart.

  void take_apart(int i) {
    const Node n = graph_[i];
    if (in_value_[i]) value_[i] = rewritten(i);
    if (n.op == Op::CONST) terms_[i] = constant_term(n.value);
    else if (centred_[i] || n.a < 0) terms_[i] = leaf_term(value_[i]);
    else if (is_product(n.op) && factor_count(n) <= kMostTogether) terms_[i] = product_term(n);
    else if (in_value_[i] || !n.on_parameters) terms_[i] = leaf_term(value_[i]);
    else terms_[i] = operation_term(n);
    guarded_ |= n.op == Op::MUL0 || n.op == Op::DIV0;
    if (in_value_[i]) keep_own(i, n);
  }

  static bool is_product(Op op) {
    return op == Op::MUL || op == Op::MUL0 || op == Op::SQUARE || op == Op::NEG || op == Op::DIV || op == Op::DIV0 || op == Op::RECIPROCAL;
  }

  // Powers of powers are products of any length.
  size_t factor_count(const Node& n) const {
    const size_t a = products_[terms_[n.a].product].size();
    return n.op == Op::SQUARE ? 2 * a : n.b < 0 ? a : a + products_[terms_[n.b].product].size();
  }

  // The value's own node, with products in place of divisions by parameters.
  int rewritten(int i) {
    const Node n = graph_[i];
    if (!graph_.mixed(i)) return i;
    const int a = n.a < 0 ? -1 : value_[n.a], b = n.b < 0 ? -1 : value_[n.b], c = n.c < 0 ? -1 : value_[n.c];
    if (n.op == Op::DIV && !graph_[b].on_data && !graph_.is_constant(b)) return plain(Op::MUL, a, graph_.node(Op::RECIPROCAL, b));
    return a == n.a && b == n.b && c == n.c ? i : graph_.node(n.op, a, b, c);
  }

  // Products that the value computes anyway can be used as they are.
  void keep_own(int i, const Node& n) {
    const Op op = graph_[value_[i]].op;
    own_[i] = single(terms_[i]);
    if (op == Op::RECIPROCAL && own_[i] >= 0) atoms_[own_[i]].node = value_[i];
    if (centred_[i] || (op != Op::MUL && op != Op::MUL0 && op != Op::SQUARE)) return;
    own_[i] = leaf(value_[i]);
    const int x = own_[n.a], y = n.op == Op::SQUARE ? x : n.op == Op::DIV ? single(inverse(terms_[n.b])) : own_[n.b];
    if (x >= 0 && y >= 0) available_.emplace(std::minmax(x, y), own_[i]);
  }
  int single(Term term) const { return term.sign > 0 && products_[term.product].size() == 1 ? products_[term.product][0] : -1; }

  Term product_term(const Node& n) {
    const Term a = terms_[n.a];
    switch (n.op) {
      case Op::NEG: return {-a.sign, a.product};
      case Op::SQUARE: return times(a, a);
      case Op::RECIPROCAL: return inverse(a);
      case Op::DIV: case Op::DIV0: return times(a, inverse(terms_[n.b]));
      default: return times(a, terms_[n.b]);
    }
  }

  Term operation_term(const Node& n) {
    Atom atom{Atom::operation, n.op};
    int k = 0;
    for (int child : {n.a, n.b, n.c}) if (child >= 0) atom.operands[k++] = terms_[child];
    if (n.op != Op::ADD && n.op != Op::SUB) return single_term(known(atom), 1);
    // Sums and differences alike: the first term comes first and is added.
    if (n.op == Op::SUB) atom.operands[1].sign *= -1;
    if (atom.operands[1].product < atom.operands[0].product) std::swap(atom.operands[0], atom.operands[1]);
    const int sign = atom.operands[0].sign;
    for (int t : {0, 1}) atom.operands[t].sign *= sign;
    atom.op = Op::ADD;
    return single_term(known(atom), sign);
  }

  bool is_constant(int atom) const { return atoms_[atom].kind == Atom::leaf && graph_.is_constant(atoms_[atom].node); }
  double constant_of(int atom) const { return graph_[atoms_[atom].node].value; }

  Term inverse(Term t) {
    const std::vector<int>& atoms = products_[t.product];
    if (atoms.empty()) return t;
    if (atoms.size() == 1 && is_constant(atoms[0])) return times({t.sign, 0}, constant_term(1 / constant_of(atoms[0])));
    return single_term(known({Atom::operation, Op::RECIPROCAL, {Term{1, t.product}}}), t.sign);
  }

  Term times(Term a, Term b) {
    std::vector<int> atoms;
    double constant = 1;
    for (int product : {a.product, b.product})
      for (int atom : products_[product]) {
        if (is_constant(atom)) constant *= constant_of(atom);
        else atoms.push_back(atom);
      }
    if (constant != 1) atoms.push_back(leaf(graph_.constant(constant)));
    return {a.sign * b.sign, product_of(std::move(atoms))};
  }

  Term constant_term(double value) {
    if (!std::isfinite(value) || value == 0) return leaf_term(graph_.constant(value));
    const int sign = value < 0 ? -1 : 1;
    return {sign, std::fabs(value) == 1 ? 0 : product_of({leaf(graph_.constant(std::fabs(value)))})};
  }

  Term leaf_term(int node) { return single_term(leaf(node), 1); }
  Term single_term(int atom, int sign) { return {sign, product_of({atom})}; }
  int leaf(int node) {
    Atom atom{Atom::leaf};
    atom.node = node;
    return known(atom);
  }

  int known(const Atom& atom) {
    std::vector<int> key{atom.kind, static_cast<int>(atom.op), atom.node};
    for (const Term& t : atom.operands) { key.push_back(t.sign); key.push_back(t.product); }
    const auto [at, is_new] = atom_ids_.try_emplace(std::move(key), static_cast<int>(atoms_.size()));
    if (is_new) atoms_.push_back(atom);
    return at->second;
  }

  int product_of(std::vector<int> atoms) {
    std::sort(atoms.begin(), atoms.end());
    const auto [at, is_new] = product_ids_.try_emplace(atoms, static_cast<int>(products_.size()));
    if (is_new) products_.push_back(std::move(atoms));
    return at->second;
  }

  void need(int product, double weight) {
    double& known = weights_[product];
    if (known >= weight) return;
    known = weight;
    for (int factor : products_[product]) {
      const Atom& atom = atoms_[factor];
      if (atom.kind != Atom::operation) continue;
      for (int t = 0; t < arity(atom.op); ++t) need(atom.operands[t].product, weight);
    }
  }

  // Products of one atom each, pairs being atoms, too.
  void join() {
    std::vector<char> uniforms;
    for (const Atom& atom : atoms_) uniforms.push_back(uniform(atom, uniforms));
    PairedProducts paired{std::move(products_), std::move(weights_), std::move(available_), std::move(uniforms), {}};
    join_pairs(paired);
    products_ = std::move(paired.factors);
    for (Pair pair : paired.made) {
      Atom atom{Atom::pair};
      atom.factors = pair;
      atoms_.push_back(atom);
    }
  }

  // Atoms are made of older ones.
  bool uniform(const Atom& atom, const std::vector<char>& older) const {
    if (atom.kind == Atom::leaf) return !graph_[atom.node].on_data;
    for (int t = 0; t < arity(atom.op); ++t)
      for (int factor : products_[atom.operands[t].product]) if (!older[factor]) return false;
    return true;
  }

  // Building.

  // The sign that an output is read with; the first one to ask decides.
  void want(Term term) {
    if (products_[term.product].size() == 1) wanted_.emplace(products_[term.product][0], term.sign);
  }

  int build(Term term) {
    const std::vector<int>& atoms = products_[term.product];
    if (atoms.empty()) return graph_.constant(term.sign);
    const int atom = atoms[0];
    const int node = built(atom);
    return atoms_[atom].built_sign == term.sign ? node : negative(node);
  }

  int built(int id) {
    if (atoms_[id].node >= 0) return atoms_[id].node;
    const Atom atom = atoms_[id];
    int sign = 1;
    const int node = atom.kind == Atom::pair ? built_pair(atom, sign) : atom.op == Op::ADD ? built_sum(atom, sign) : built_operation(atom);
    const auto wish = wanted_.find(id);
    const bool turn = wish != wanted_.end() && wish->second != sign;
    atoms_[id].node = turn ? negative(node) : node;
    atoms_[id].built_sign = turn ? -sign : sign;
    return atoms_[id].node;
  }

  int built_pair(const Atom& atom, int& sign) {
    const auto [x, y] = atom.factors;
    const int a = built(x), b = built(y);
    sign = atoms_[x].built_sign * atoms_[y].built_sign;
    if (a == b) return plain(Op::SQUARE, a);
    return plain(guarded_ ? Op::MUL0 : Op::MUL, a, b);
  }

  int built_sum(const Atom& atom, int& sign) {
    int node[2], signs[2];
    for (int t : {0, 1}) {
      const Term& term = atom.operands[t];
      const std::vector<int>& factors = products_[term.product];
      node[t] = factors.empty() ? graph_.constant(1) : built(factors[0]);
      signs[t] = term.sign * (factors.empty() ? 1 : atoms_[factors[0]].built_sign);
    }
    sign = signs[0] < 0 && signs[1] < 0 ? -1 : 1;
    if (signs[0] == signs[1]) return plain(Op::ADD, node[0], node[1]);
    return signs[0] > 0 ? plain(Op::SUB, node[0], node[1]) : plain(Op::SUB, node[1], node[0]);
  }

  int built_operation(const Atom& atom) {
    int node[3] = {-1, -1, -1};
    for (int t = 0; t < arity(atom.op); ++t) node[t] = build(atom.operands[t]);
    return plain(atom.op, node[0], node[1], node[2]);
  }

  int negative(int node) {
    if (graph_.is_constant(node)) return graph_.constant(-graph_[node].value);
    if (graph_[node].op == Op::SUB && graph_.mixed(node)) return plain(Op::SUB, graph_[node].b, graph_[node].a);
    return plain(Op::NEG, node);
  }

  // A centred node stands for itself less its mean. Where the same operation is meant as it is, it
  // is written in another way.
  int plain(Op op, int a, int b = -1, int c = -1) {
    const int node = graph_.node(op, a, b, c);
    if (node >= nodes_ || !centred_[node]) return node;
    return graph_.node(op, graph_.node(Op::MUL, a, graph_.constant(1)), b, c);
  }

  Graph& graph_;
  const int root_;
  Analysis& analysis_;
  const int nodes_;                        // of the graph as it came
  bool guarded_ = false;
  std::vector<char> live_, in_value_, centred_;
  std::vector<Term> terms_;
  std::vector<int> value_, own_;           // per node of the value: as rewritten; its atom, or -1
  std::vector<Atom> atoms_;
  std::map<std::vector<int>, int> atom_ids_;
  std::vector<std::vector<int>> products_;
  std::map<std::vector<int>, int> product_ids_;
  std::vector<double> weights_;            // per product, 0 where it is not needed
  std::map<Pair, int> available_;
  std::map<int, int> wanted_;
};

}  // namespace

int share_factors(Graph& graph, int root, Analysis& analysis) { return Factoring(graph, root, analysis).run(); }

}  // namespace lawfit
