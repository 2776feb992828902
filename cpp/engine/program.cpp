#include "program.hpp"

#include <algorithm>
#include <numeric>

namespace lawfit {

namespace {

class Compiler {
 public:
  Compiler(Graph& graph, const Analysis& analysis, bool centred) : graph_(graph), centre_(graph.size(), -1) {
    if (centred)
      for (size_t k = 0; k < analysis.centring.nodes.size(); ++k) centre_[analysis.centring.nodes[k]] = static_cast<int>(k);
  }

  Program run(int root, const Analysis& analysis, bool with_jacobian, bool with_hessian) {
    std::vector<int> outputs;
    tier_.assign(graph_.size(), Tier::hessian);
    auto output = [&](int i, Tier tier) {
      outputs.push_back(i);
      tier_[i] = std::min(tier_[i], tier);
    };
    program_.parameters = static_cast<int>(analysis.jacobian.size());
    for (int k = 0; k < program_.parameters; ++k) if (analysis.linear[k]) program_.linear.push_back(k);
    output(root, Tier::value);
    if (with_jacobian)
      for (int k = 0; k < program_.parameters; ++k)
        if (int j = analysis.jacobian[k]; j != kZero) output(j, analysis.linear[k] ? Tier::linear : Tier::jacobian);
    if (with_hessian)
      for (auto& row : analysis.hessian) for (int h : row) if (h != kZero) output(h, Tier::hessian);
    classify(outputs);
    assign_columns();
    // Work for the value comes first, the Hessian's last, so that a caller who wants less runs a prefix.
    order_.resize(graph_.size());
    std::iota(order_.begin(), order_.end(), 0);
    std::stable_sort(order_.begin(), order_.end(), [&](int a, int b) { return tier_[a] < tier_[b]; });
    assign_uniforms();
    emit_points();
    program_.value = slot_[root];
    program_.jacobian.assign(program_.parameters, {});
    if (with_jacobian)
      for (int k = 0; k < program_.parameters; ++k)
        if (int j = analysis.jacobian[k]; j != kZero) program_.jacobian[k] = slot_[j];
    program_.has_hessian = with_hessian;
    if (with_hessian)
      for (int i = 0; i < program_.parameters; ++i)
        for (int j = 0; j <= i; ++j)
          if (int h = analysis.hessian[i][j]; h != kZero) program_.hessian.push_back({i, j, slot_[h]});
    return std::move(program_);
  }

 private:
  enum Class : uint8_t { dead, parameter_only, data_only, mixed };
  static std::vector<int> children(const Node& n) {
    std::vector<int> list;
    for (int c : {n.a, n.b, n.c}) if (c >= 0) list.push_back(c);
    return list;
  }

  void classify(const std::vector<int>& outputs) {
    const int n = graph_.size();
    class_.assign(n, dead);
    uses_.assign(n, 0);
    is_output_.assign(n, false);
    slot_.assign(n, {});
    for (int o : outputs) { class_[o] = mixed; is_output_[o] = true; ++uses_[o]; }
    for (int i = n - 1; i >= 0; --i)
      if (class_[i] != dead)
        for (int c : children(graph_[i])) {
          class_[c] = mixed;
          ++uses_[c];
          tier_[c] = std::min(tier_[c], tier_[i]);
        }
    std::vector<char> shifted(n, 0);   // depends on a centred column, so belongs to the lane
    for (int i = 0; i < n; ++i) {
      if (class_[i] == dead) continue;
      const Node& node = graph_[i];
      if (centre_.size() > static_cast<size_t>(i) && centre_[i] >= 0) { class_[i] = data_only; shifted[i] = 2; continue; }
      for (int c : children(node)) if (shifted[c]) shifted[i] = 1;
      if (!node.on_data) class_[i] = parameter_only;
      else if (!node.on_parameters && !shifted[i]) class_[i] = data_only;
    }
    shifted_ = std::move(shifted);
  }

  bool kept_column(int i) const {
    if (is_output_[i]) return true;
    for (int u : users_[i]) if (class_[u] == mixed) return true;
    return false;
  }

  void assign_columns() {
    const int n = graph_.size();
    users_.assign(n, {});
    for (int i = 0; i < n; ++i)
      if (class_[i] != dead) for (int c : children(graph_[i])) users_[c].push_back(i);
    std::vector<int> column(n, -1);
    auto operand = [&](int child) -> Slot {
      if (child < 0) return {};
      if (column[child] < 0) {   // a constant used by data-only work
        column[child] = program_.data_registers++;
        program_.data_constants.push_back({column[child], graph_[child].value});
      }
      return {Slot::column, column[child]};
    };
    for (int i = 0; i < n; ++i) {
      if (class_[i] != data_only) continue;
      const Node& node = graph_[i];
      if (node.op == Op::VAR) {
        column[i] = program_.data_registers++;
        program_.inputs.push_back({column[i], static_cast<int>(node.value)});
      } else {
        Slot a = operand(node.a), b = operand(node.b), c = operand(node.c);
        column[i] = program_.data_registers++;
        program_.data.push_back({node.op, {Slot::column, column[i]}, a, b, c});
      }
      if (!kept_column(i)) continue;
      slot_[i] = {Slot::column, static_cast<int>(program_.kept.size())};
      program_.kept.push_back(column[i]);
      program_.kept_nodes.push_back(i);
      program_.centre_of.push_back(i < static_cast<int>(centre_.size()) ? centre_[i] : -1);
    }
  }

  void assign_uniforms() {
    program_.uniforms = program_.parameters;
    for (int i : order_) {
      if (class_[i] != parameter_only) continue;
      const Node& node = graph_[i];
      if (node.op == Op::PARAM) { slot_[i] = {Slot::uniform, static_cast<int>(node.value)}; continue; }
      slot_[i] = {Slot::uniform, program_.uniforms++};
      if (node.op == Op::CONST) program_.constants.push_back({slot_[i].index, node.value});
      else {
        program_.once.push_back({node.op, slot_[i], slot_of(node.a), slot_of(node.b), slot_of(node.c)});
        close_tier(program_.once_end, program_.once.size(), i);
      }
    }
    finish_tiers(program_.once_end, program_.once.size());
  }
  Slot slot_of(int i) const { return i < 0 ? Slot{} : slot_[i]; }

  // One point instruction per mixed node, with products folded into the sum or exponential, and
  // reciprocals into the product, that is their only use.
  struct Fused { Op op; int a, b, c; };
  void emit_points() {
    const int n = graph_.size();
    std::vector<Fused> code(n, Fused{Op::CONST, -1, -1, -1});
    std::vector<char> absorbed(n, 0);
    auto lone = [&](int i, Op op) {
      return i >= 0 && class_[i] == mixed && uses_[i] == 1 && !is_output_[i] && code[i].op == op && !absorbed[i];
    };
    auto lone_product = [&](int i) { return lone(i, Op::MUL); };
    for (int i = 0; i < n; ++i) {
      if (class_[i] != mixed) continue;
      const Node& node = graph_[i];
      Fused f{node.op, node.a, node.b, node.c};
      auto absorb = [&](int product, Op op, int c) {
        absorbed[product] = 1;
        f = {op, code[product].a, code[product].b, c};
      };
      if (node.op == Op::EXP && lone_product(node.a)) absorb(node.a, Op::EXPMUL, -1);
      else if (node.op == Op::NEG && lone_product(node.a)) absorb(node.a, Op::NMUL, -1);
      else if (node.op == Op::NEG && lone(node.a, Op::MUL0)) absorb(node.a, Op::NMUL0, -1);
      else if (node.op == Op::ADD && lone_product(node.b)) absorb(node.b, Op::FMA, node.a);
      else if (node.op == Op::ADD && lone_product(node.a)) absorb(node.a, Op::FMA, node.b);
      else if (node.op == Op::SUB && lone_product(node.b)) absorb(node.b, Op::FNMA, node.a);
      const bool guarded = node.op == Op::MUL0;
      if ((node.op == Op::MUL || guarded) && node.a != node.b)
        for (auto [x, reciprocal] : {std::pair{node.a, node.b}, std::pair{node.b, node.a}})
          if (lone(reciprocal, Op::RECIPROCAL) && f.op == node.op) {
            absorbed[reciprocal] = 1;
            f = {guarded ? Op::DIV0 : Op::DIV, x, code[reciprocal].a, -1};
          }
      code[i] = f;
    }
    allocate_blocks(code, absorbed);
  }

  // Linear scan: a block register is free again after the last instruction that reads it.
  void allocate_blocks(const std::vector<Fused>& code, const std::vector<char>& absorbed) {
    const int n = graph_.size();
    std::vector<int> last(n, -1);
    for (int i : order_)
      if (class_[i] == mixed && !absorbed[i])
        for (int c : {code[i].a, code[i].b, code[i].c}) if (c >= 0) last[c] = i;
    std::vector<int> unused;
    for (int i : order_) {
      if (class_[i] != mixed || absorbed[i]) continue;
      Slot a = slot_of(code[i].a), b = slot_of(code[i].b), c = slot_of(code[i].c);
      // The output never shares a register with an operand, so kernels may assume no overlap.
      int index;
      if (unused.empty()) index = program_.blocks++;
      else { index = unused.back(); unused.pop_back(); }
      slot_[i] = {Slot::block, index};
      program_.points.push_back({code[i].op, slot_[i], a, b, c});
      close_tier(program_.points_end, program_.points.size(), i);
      int released[3], count = 0;
      for (int child : {code[i].a, code[i].b, code[i].c})
        if (child >= 0 && last[child] == i && !is_output_[child] && slot_[child].kind == Slot::block &&
            std::find(released, released + count, slot_[child].index) == released + count)
          released[count++] = slot_[child].index;
      unused.insert(unused.end(), released, released + count);
    }
    finish_tiers(program_.points_end, program_.points.size());
  }

  // end[t] = number of instructions that serve tier t and below.
  void close_tier(int* end, size_t count, int i) {
    for (int t = static_cast<int>(tier_[i]); t < kTiers; ++t) end[t] = static_cast<int>(count);
  }
  static void finish_tiers(int* end, size_t count) { end[kTiers - 1] = static_cast<int>(count); }

  Graph& graph_;
  Program program_;
  std::vector<int> centre_, uses_, order_;
  std::vector<Tier> tier_;
  std::vector<Class> class_;
  std::vector<bool> is_output_;
  std::vector<char> shifted_;
  std::vector<Slot> slot_;
  std::vector<std::vector<int>> users_;
};

}  // namespace

Program compile(Graph& graph, int root, const Analysis& analysis, bool centred, bool with_jacobian, bool with_hessian) {
  return Compiler(graph, analysis, centred).run(root, analysis, with_jacobian, with_hessian);
}

}  // namespace lawfit
