// A law as a hash-consed expression graph: equal subexpressions are one node.
// Building a node simplifies it; derivatives are taken symbolically on the graph.
#pragma once
#include <cstdint>
#include <string>
#include <unordered_map>
#include <vector>

namespace lawfit {

enum class Op : uint8_t {
#define OP(name, arity) name,
#define INNER(name, arity) name,
#include "opcodes.def"
#undef OP
#undef INNER
};
int arity(Op op);
const char* op_name(Op op);
int op_count();
bool op_is_public(Op op);   // may stand in a graph that comes from outside

// What the caller hands over: one entry per node, children before parents, root last.
struct GraphView {
  const int32_t *op, *a, *b, *c;
  const double* value;
  int nodes, parameters, variables;
  const double* priors = nullptr;   // rows of (parameter, mean, weight, logarithmic?), see priors.hpp
  int prior_count = 0;
};

struct Node {
  Op op;
  int a = -1, b = -1, c = -1;
  double value = 0;         // CONST: the value; PARAM, VAR: the index
  bool on_parameters = false, on_data = false;
};

constexpr int kZero = -1;   // "structurally zero" in derivative lists

class Graph {
 public:
  // positive[v]: every value of variable v is positive and finite, which allows
  // log(a/v) = log a - log v and plain products instead of the guarded ones.
  explicit Graph(std::vector<bool> positive) : positive_(std::move(positive)) {}

  int constant(double value);
  int parameter(int index);
  int variable(int index);
  int make(Op op, int a, int b = -1, int c = -1);
  int node(Op op, int a, int b = -1, int c = -1);   // as it stands, not simplified

  const Node& operator[](int i) const { return nodes_[i]; }
  int size() const { return static_cast<int>(nodes_.size()); }
  bool is_constant(int i) const { return nodes_[i].op == Op::CONST; }
  bool is_constant(int i, double value) const { return is_constant(i) && nodes_[i].value == value; }
  bool mixed(int i) const { return nodes_[i].on_parameters && nodes_[i].on_data; }

  // d root / d parameter k for every k: node, or kZero where the derivative vanishes identically.
  std::vector<int> gradient(int root, int parameters);

 private:
  int add_node(Node node);
  int fold(Op op, int a, int b);
  int sum(int a, int b);
  int difference(int a, int b);
  int product(int a, int b);
  int quotient(int a, int b);
  int negative(int a);
  int logarithm(int a);
  int power(int base, int exponent);
  int integer_power(int base, int exponent);
  bool known_positive(int i) const;
  int choice(int condition, int yes, int no);
  using BranchGradients = std::unordered_map<int, std::vector<int>>;   // by the branch's root
  std::vector<int> gradient_of(int root, int parameters, const BranchGradients& branches);
  void derive(int i, int adjoint, std::vector<int>& adjoints);
  void derive_choice(int i, int adjoint, std::vector<int>& result, const BranchGradients& branches);
  void accumulate(int target, int term, std::vector<int>& adjoints);

  struct KeyHash { size_t operator()(const std::string& key) const { return std::hash<std::string>()(key); } };
  std::vector<Node> nodes_;
  std::unordered_map<std::string, int, KeyHash> known_;
  std::vector<bool> positive_;
};

// Builds the graph from outside data after checking every index; throws std::invalid_argument.
int load_graph(const GraphView& view, Graph& graph);

// Scalar value of one operation (constant folding; the same meaning as the vector kernels).
double scalar_value(Op op, double a, double b, double c = 0);

}  // namespace lawfit
