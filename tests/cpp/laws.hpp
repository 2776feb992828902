// Laws typed as code, and small tables: what the tests of the engine fit and evaluate.
#pragma once
#include <cmath>
#include <cstdint>
#include <initializer_list>
#include <vector>

#include "../../cpp/engine/fit.hpp"

namespace laws {

using lawfit::GraphView;
using lawfit::Op;

// A graph as Python hands it over. Operators make nodes: auto law = g.p(0) + g.p(1) / g.x(0);
struct Builder {
  std::vector<int32_t> op, a, b, third;
  std::vector<double> value;
  int parameters = 0, variables = 0;

  int node(Op o, int left = -1, int right = -1, double number = 0, int last = -1) {
    op.push_back(static_cast<int32_t>(o));
    a.push_back(left);
    b.push_back(right);
    third.push_back(last);
    value.push_back(number);
    return static_cast<int>(op.size()) - 1;
  }
  struct Term {
    Builder* in;
    int id;
  };
  Term of(Op o, Term x) { return {this, node(o, x.id)}; }
  Term of(Op o, Term x, Term y) { return {this, node(o, x.id, y.id)}; }
  Term of(Op o, Term x, Term y, Term z) { return {this, node(o, x.id, y.id, 0, z.id)}; }
  Term c(double number) { return {this, node(Op::CONST, -1, -1, number)}; }
  Term p(int index) {
    parameters = std::max(parameters, index + 1);
    return {this, node(Op::PARAM, index)};
  }
  Term x(int index) {
    variables = std::max(variables, index + 1);
    return {this, node(Op::VAR, index)};
  }
  GraphView view() const {
    return {op.data(), a.data(), b.data(), third.data(), value.data(),
            static_cast<int>(op.size()), parameters, variables};
  }
};
inline Builder::Term operator+(Builder::Term l, Builder::Term r) { return l.in->of(Op::ADD, l, r); }
inline Builder::Term operator-(Builder::Term l, Builder::Term r) { return l.in->of(Op::SUB, l, r); }
inline Builder::Term operator*(Builder::Term l, Builder::Term r) { return l.in->of(Op::MUL, l, r); }
inline Builder::Term operator/(Builder::Term l, Builder::Term r) { return l.in->of(Op::DIV, l, r); }
inline Builder::Term pow(Builder::Term l, Builder::Term r) { return l.in->of(Op::POW, l, r); }

// E + A/N**alpha + B/D**beta, parameters in that order.
inline Builder two_terms() {
  Builder g;
  g.p(0) + g.p(1) / pow(g.x(0), g.p(2)) + g.p(3) / pow(g.x(1), g.p(4));
  return g;
}
// E + A/N**alpha
inline Builder one_term() {
  Builder g;
  g.p(0) + g.p(1) / pow(g.x(0), g.p(2));
  return g;
}

// Repeatable noise: a linear congruential generator's upper bits, in (-0.5, 0.5).
struct Noise {
  uint64_t state = 12345;
  double operator()() {
    state = state * 6364136223846793005u + 1442695040888963407u;
    return static_cast<double>(state >> 11) * 0x1p-53 - 0.5;
  }
};

// Columns N, D and the loss of two_terms() with relative noise.
struct Table {
  std::vector<double> N, D, y, weight, sigma;
  std::vector<const double*> columns;

  explicit Table(int64_t rows, double noise = 0.01) {
    Noise draw;
    for (int64_t r = 0; r < rows; ++r) {
      N.push_back(1e7 * std::pow(10.0, 3.0 * static_cast<double>(r % 9) / 8 + 0.1 * draw()));
      D.push_back(1e9 * std::pow(10.0, 2.5 * static_cast<double>(r % 7) / 6 + 0.1 * draw()));
      y.push_back((1.8 + 480 / std::pow(N[r], 0.35) + 2000 / std::pow(D[r], 0.37)) *
                  (1 + noise * draw()));
      weight.push_back(1 + draw());
      sigma.push_back(0.1 + 0.05 * draw());
    }
    columns = {N.data(), D.data()};
  }
  Table(const Table&) = delete;
  int64_t rows() const { return static_cast<int64_t>(y.size()); }
  lawfit::TableView view(bool weighted = false, bool with_sigma = false) const {
    return {columns.data(), y.data(), weighted ? weight.data() : nullptr,
            with_sigma ? sigma.data() : nullptr, rows()};
  }
};

inline const std::vector<double> two_terms_lower = {-INFINITY, 0, -INFINITY, 0, -INFINITY};
inline std::vector<double> no_upper(size_t n) { return std::vector<double>(n, INFINITY); }

}   // namespace laws
