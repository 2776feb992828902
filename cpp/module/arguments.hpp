// Python arguments turned into the engine's views, checked for shape.
#pragma once
#include <cmath>
#include <memory>
#include <optional>

#include "../engine/covariance.hpp"
#include "../engine/fit.hpp"
#include "numpy.hpp"

namespace lawfit_module {

using namespace lawfit;

struct GraphArguments {
  Int32s op, a, b, c;
  Doubles value, priors;
  GraphView view;
  GraphArguments(const py::tuple& graph, int parameters, int variables);
};

// Keeps the arrays alive that a TableView points into.
struct TableArguments {
  std::vector<Doubles> columns;
  std::vector<const double*> pointers;
  std::optional<Doubles> y, weight, sigma;
  TableView view;
  TableArguments(const py::list& columns, const py::object& y, const py::object& weight, const py::object& sigma);
};

// Calls Python's signal handlers and the progress callable from the polling thread.
struct Poll {
  py::object progress;
  std::exception_ptr error = nullptr;
  bool operator()(int64_t done, int64_t total);
};

// `numbers`: the loss's one number, or (scale, tail, scale is estimated, tail is estimated).
ObjectiveSpec objective_spec(const std::string& space, const std::string& loss, const py::handle& numbers);
ObjectiveSpec objective_spec(const py::tuple& objective);   // (space, loss, numbers)

// Pairs (scale, tail), one a group or job; empty for None.
std::vector<LossNumbers> loss_numbers(const py::object& pairs, int64_t count);
inline const LossNumbers* data_or_null(const std::vector<LossNumbers>& numbers) { return numbers.empty() ? nullptr : numbers.data(); }
std::vector<double> flat(const std::vector<LossNumbers>& numbers);

FitOptions fit_options(const py::dict& options);
CovarianceKind covariance_kind(const std::string& name);

}  // namespace lawfit_module
