// Small, repeatable versions of the workloads W1 to W4 (see cases.py), for the engine alone.
#pragma once
#include <numeric>

#include "../cpp/engine/batch.hpp"
#include "../cpp/engine/resample.hpp"
#include "../tests/cpp/laws.hpp"

namespace work {

using namespace lawfit;

// Groups of equal length under each other, with one start each.
struct Groups {
  laws::Builder law;
  int64_t count, rows;
  std::vector<double> x, d, y, starts;
  std::vector<int64_t> offsets;
  std::vector<const double*> columns;

  TableView table() const { return {columns.data(), y.data(), nullptr, nullptr, count * rows}; }
};

// W1: E + A/x**alpha on 12 points.
inline void make_curves(Groups& g, int64_t count) {
  g.law = laws::one_term();
  g.count = count;
  g.rows = 12;
  laws::Noise draw;
  for (int64_t k = 0; k < count; ++k) {
    const double e = 1 + 1.9 * draw(), a = std::exp(2 + 4 * draw()), alpha = 0.5 + 0.6 * draw();
    const double noise = 0.03 * a * std::pow(64, -alpha);
    double smallest = infinity, first = 0;
    for (int i = 0; i < 12; ++i) {
      g.x.push_back(64 * std::pow(2.0, i) * std::exp(0.15 * draw()));
      g.y.push_back(e + a * std::pow(g.x.back(), -alpha) + noise * draw());
      smallest = std::min(smallest, g.y.back());
      if (i == 0) first = g.y.back();
    }
    g.starts.insert(g.starts.end(), {0.95 * smallest, (first - 0.95 * smallest) * 8, 0.5});
  }
  g.columns = {g.x.data()};
}
// W4: E + A/N**alpha + B/D**beta on 60 points.
inline void make_runs(Groups& g, int64_t count) {
  g.law = laws::two_terms();
  g.count = count;
  g.rows = 60;
  laws::Noise draw;
  for (int64_t k = 0; k < count; ++k) {
    const double e = 1.7 + 0.6 * draw(), a = 1 + draw(), b = 1 + draw();
    const double alpha = 0.35 + 0.14 * draw(), beta = 0.35 + 0.14 * draw();
    for (int i = 0; i < 60; ++i) {
      g.x.push_back(7e8 * std::exp(5.3 * draw()));
      g.d.push_back(2.2e10 * std::exp(6.2 * draw()));
      g.y.push_back(e + a * std::pow(g.x.back() / 5e8, -alpha) + b * std::pow(g.d.back() / 2e10, -beta) + 0.03 * draw());
    }
    g.starts.insert(g.starts.end(), {1.5, std::pow(5e8, 0.35), 0.35, std::pow(2e10, 0.35), 0.35});
  }
  g.columns = {g.x.data(), g.d.data()};
}

inline FitTable fit_groups(const Groups& g, int threads) {
  std::vector<int64_t> offsets(g.count + 1);
  for (int64_t k = 0; k <= g.count; ++k) offsets[k] = k * g.rows;
  std::vector<int> columns(g.law.variables);
  std::iota(columns.begin(), columns.end(), 0);
  const size_t p = g.law.parameters;
  const BatchLaw law{g.law.view(), columns, std::vector<double>(p, -INFINITY), std::vector<double>(p, INFINITY),
                     std::vector<double>(p, not_a_number), {g.starts.data(), 1, g.count, 0}};
  FitOptions options;
  options.threads = threads;
  return std::move(fit_batch({g.table(), {law}, {{Space::linear, Loss::squared, 1, 0.5}}, {{nullptr, offsets.data()}}, g.count}, options)[0]);
}

// W2 and W3: one table of 240 rows, log-Huber.
const ObjectiveSpec log_huber = {Space::log, Loss::huber, 1e-3, 0.5};

inline FitTable fit_from_grid(const laws::Table& data, const std::vector<double>& starts) {
  const laws::Builder law = laws::two_terms();
  const std::vector<int64_t> offsets = {0, data.rows()};
  const BatchLaw one{law.view(), {0, 1}, std::vector<double>(5, -INFINITY), std::vector<double>(5, INFINITY),
                     std::vector<double>(5, not_a_number), {starts.data(), static_cast<int64_t>(starts.size() / 5), 0, 0}};
  return std::move(fit_batch({data.view(), {one}, {log_huber}, {{nullptr, offsets.data()}}, 1}, FitOptions())[0]);
}
// Every step-th start of Hoffmann's grid.
inline std::vector<double> grid(int step) {
  std::vector<double> starts;
  int k = 0;
  for (int a = 0; a < 6; ++a)
    for (int b = 0; b < 6; ++b)
      for (int e = -2; e <= 2; ++e)
        for (int alpha = 0; alpha < 5; ++alpha)
          for (int beta = 0; beta < 5; ++beta)
            if (k++ % step == 0) starts.insert(starts.end(), {std::exp(0.5 * e), std::exp(5.0 * a), 0.5 * alpha, std::exp(5.0 * b), 0.5 * beta});
  return starts;
}
inline ReplicateTable fit_resamples(const laws::Table& data, const std::vector<double>& optimum, int64_t count) {
  const laws::Builder law = laws::two_terms();
  const std::vector<double> lower(5, -INFINITY), upper(5, INFINITY);
  const CompiledLaw compiled(law.view(), data.view(), lower, upper);
  const int64_t offsets[] = {0, data.view().rows};
  ReplicateRequest request{};
  request.law = law.view();
  request.table = data.view();
  request.offsets = offsets;
  request.groups = 1;
  request.objective = log_huber;
  request.lower = lower;
  request.upper = upper;
  request.guess.assign(5, not_a_number);
  request.warm = optimum.data();
  request.replicates = count;
  return resample(compiled, request, FitOptions());
}

}  // namespace work
