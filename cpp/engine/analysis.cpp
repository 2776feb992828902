#include "analysis.hpp"

#include <algorithm>
#include <cmath>

namespace lawfit {

namespace {

bool has_kink(Op op) {
  switch (op) {
    case Op::ABS: case Op::SIGN: case Op::MIN: case Op::MAX: return true;
    case Op::LESS: case Op::LESS_EQUAL: case Op::EQUAL: return true;
    default: return false;
  }
}

// Does a chain of sums carry this node into an exponential?
bool feeds_exponential(const Graph& graph, const std::vector<std::vector<int>>& consumers, int i) {
  for (int depth = 0; depth < 4 && consumers[i].size() == 1; ++depth) {
    i = consumers[i][0];
    const Op op = graph[i].op;
    if (op == Op::EXP || op == Op::LOGADDEXP) return true;
    if (op != Op::ADD && op != Op::SUB && op != Op::NEG) return false;
  }
  return false;
}

ParameterRole role_of(const Graph& graph, const std::vector<std::vector<int>>& consumers, int parameter_node) {
  ParameterRole found;
  std::vector<std::pair<int, int>> todo{{parameter_node, 1}};
  auto take = [&](Role role, int node, int sign) {
    if (found.role == Role::generic) found = {role, node, sign};
    else if (found.role == role && found.sign != sign) found.sign = 0;
  };
  for (size_t t = 0; t < todo.size() && t < 32; ++t) {
    auto [at, sign] = todo[t];
    for (int use : consumers[at]) {
      const Node& n = graph[use];
      const int other = n.a == at ? n.b : n.a;
      const bool data_sibling = other >= 0 && graph[other].on_data && !graph[other].on_parameters;
      if (n.op == Op::NEG) todo.push_back({use, -sign});
      else if (n.op == Op::WHERE && n.a != at) todo.push_back({use, sign});
      else if (n.op == Op::EXP || n.op == Op::LOGADDEXP) take(Role::log_amplitude, -1, sign);
      else if ((n.op == Op::MUL || n.op == Op::MUL0) && other >= 0 && graph.is_constant(other))
        todo.push_back({use, graph[other].value < 0 ? -sign : sign});
      else if (n.op == Op::MUL || n.op == Op::MUL0) {
        if (graph[other].op == Op::LOG) take(Role::exponent, data_sibling ? other : -1, sign);
        else if (data_sibling) take(Role::rate, other, sign);
      } else if (n.op == Op::ADD || n.op == Op::SUB) {
        if (data_sibling && graph[other].op != Op::LOG) take(Role::location, other, n.op == Op::SUB && n.b == at ? -1 : 1);
        else if (graph[other].on_data) take(feeds_exponential(graph, consumers, use) ? Role::log_amplitude : Role::offset, -1, sign);
      } else if (n.op == Op::DIV && data_sibling) {
        take(Role::scale, other, n.b == at ? -1 : 1);
      } else if (n.op == Op::DIV && n.a == at && graph.mixed(other)) {
        // p/(x - q): p is measured in units of x
        const Node& m = graph[other];
        for (int child : {m.a, m.b})
          if ((m.op == Op::ADD || m.op == Op::SUB) && graph[child].on_data && !graph[child].on_parameters) take(Role::scale, child, 1);
      } else if (n.op == Op::LOG) {   // log(p) - log(x): p is measured in units of x
        for (int above : consumers[use]) {
          const Node& m = graph[above];
          const int sibling = m.a == use ? m.b : m.a;
          if ((m.op == Op::SUB || m.op == Op::ADD) && graph[sibling].op == Op::LOG && !graph[sibling].on_parameters)
            take(Role::scale, graph[sibling].a, 1);
        }
      }
    }
  }
  return found;
}

// Parameters that can move a row across a kink: where second derivatives vanish, the law is still
// not linear in them.
std::vector<bool> parameters_of_kinks(const Graph& graph, int root, int parameters) {
  std::vector<bool> found(parameters, false);
  std::vector<char> live(root + 1, 0), inside(root + 1, 0);
  live[root] = 1;
  for (int i = root; i >= 0; --i) {
    if (!live[i]) continue;
    const Node& n = graph[i];
    if (n.op == Op::PARAM && inside[i]) found[static_cast<int>(n.value)] = true;
    for (int child : {n.a, n.b, n.c}) if (child >= 0) {
      live[child] = 1;
      inside[child] |= inside[i] || has_kink(n.op);
    }
  }
  return found;
}

std::vector<bool> linear_set(const std::vector<int>& jacobian, const std::vector<std::vector<int>>& hessian,
                             const std::vector<bool>& kinked) {
  const int p = static_cast<int>(jacobian.size());
  auto coupled = [&](int i, int j) { return hessian[std::max(i, j)][std::min(i, j)] != kZero; };
  std::vector<int> order;
  for (int i = 0; i < p; ++i) if (jacobian[i] != kZero && !coupled(i, i) && !kinked[i]) order.push_back(i);
  auto degree = [&](int i) { return std::count_if(order.begin(), order.end(), [&](int j) { return coupled(i, j); }); };
  std::stable_sort(order.begin(), order.end(), [&](int i, int j) { return degree(i) < degree(j); });
  std::vector<bool> linear(p, false);
  for (int i : order) {
    bool free = true;
    for (int j = 0; j < p; ++j) free &= !(linear[j] && coupled(i, j));
    linear[i] = free;
  }
  return linear;
}

}  // namespace

Analysis analyse(Graph& graph, int root, int parameters, const std::vector<bool>& movable,
                 const std::vector<bool>& unbounded, bool second_order) {
  Analysis result;
  result.jacobian = graph.gradient(root, parameters);
  result.hessian.assign(parameters, {});
  result.linear.assign(parameters, false);
  for (int i = 0; i < parameters; ++i) {
    result.hessian[i].assign(i + 1, kZero);
    if (!second_order || result.jacobian[i] == kZero) continue;
    std::vector<int> row = graph.gradient(result.jacobian[i], parameters);
    std::copy(row.begin(), row.begin() + i + 1, result.hessian[i].begin());
  }
  if (second_order)
    result.linear = linear_set(result.jacobian, result.hessian, parameters_of_kinks(graph, root, parameters));

  auto consumers = consumers_of(graph, root);
  result.roles.assign(parameters, {});
  for (int i = 0; i <= root; ++i)
    if (graph[i].op == Op::PARAM) {
      int k = static_cast<int>(graph[i].value);
      result.roles[k] = role_of(graph, consumers, i);
      if (result.linear[k]) result.roles[k].role = Role::linear;
    }
  result.centring = find_centring(graph, root, consumers, movable, unbounded);
  return result;
}

}  // namespace lawfit
