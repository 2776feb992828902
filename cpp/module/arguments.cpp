#include "arguments.hpp"

namespace lawfit_module {

GraphArguments::GraphArguments(const py::tuple& graph, int parameters, int variables) {
  require(graph.size() == 5, "graph: expected (op, a, b, c, value)");
  op = graph[0].cast<Int32s>();
  a = graph[1].cast<Int32s>();
  b = graph[2].cast<Int32s>();
  c = graph[3].cast<Int32s>();
  value = graph[4].cast<Doubles>();
  require(op.size() == a.size() && op.size() == b.size() && op.size() == c.size() && op.size() == value.size(), "graph: arrays differ in length");
  view = {op.data(), a.data(), b.data(), c.data(), value.data(), static_cast<int>(op.size()), parameters, variables};
}

TableArguments::TableArguments(const py::list& columns_in, const py::object& y_in, const py::object& weight_in, const py::object& sigma_in) {
  py::ssize_t rows = -1;
  auto add = [&](const py::handle& source, const char* name) {
    Doubles array = py::cast<Doubles>(source);
    require(array.ndim() == 1, std::string(name) + ": expected one dimension");
    if (rows < 0) rows = array.size();
    require(array.size() == rows, std::string(name) + ": length differs from the other columns");
    return array;
  };
  if (!y_in.is_none()) y = add(y_in, "y");
  for (auto column : columns_in) columns.push_back(add(column, "columns"));
  if (!weight_in.is_none()) weight = add(weight_in, "weights");
  if (!sigma_in.is_none()) sigma = add(sigma_in, "sigma");
  for (auto& c : columns) pointers.push_back(c.data());
  view = {pointers.data(), y ? y->data() : nullptr, weight ? weight->data() : nullptr, sigma ? sigma->data() : nullptr,
          rows < 0 ? 0 : rows};
}

bool Poll::operator()(int64_t done, int64_t total) {
  py::gil_scoped_acquire acquire;
  try {
    if (PyErr_CheckSignals() != 0) throw py::error_already_set();
    if (!progress.is_none()) progress(done, total);
  } catch (...) {
    error = std::current_exception();
    return false;
  }
  return true;
}

ObjectiveSpec objective_spec(const std::string& space, const std::string& loss, double parameter) {
  static const char* spaces[] = {"linear", "log", "logit", "relative"};
  static const char* losses[] = {"squared", "huber", "soft_l1", "cauchy", "absolute", "quantile", "log_cosh"};
  ObjectiveSpec spec{Space::linear, Loss::squared, parameter, 0.5};
  bool found = false;
  for (int i = 0; i < 4; ++i) if (space == spaces[i]) { spec.space = static_cast<Space>(i); found = true; }
  require(found, "unknown residual space: " + space);
  found = false;
  for (int i = 0; i < 7; ++i) if (loss == losses[i]) { spec.loss = static_cast<Loss>(i); found = true; }
  require(found, "unknown loss: " + loss);
  if (spec.loss == Loss::quantile) { spec.quantile = parameter; spec.scale = 1; }
  if (spec.loss == Loss::squared || spec.loss == Loss::absolute) spec.scale = 1;
  require(spec.scale > 0 && std::isfinite(spec.scale), "loss scale must be positive and finite");
  return spec;
}

FitOptions fit_options(const py::dict& options) {
  FitOptions result;
  for (auto [key, value] : options) {
    const std::string name = py::str(key);
    if (name == "tolerance") result.limits.tolerance = value.cast<double>();
    else if (name == "max_iterations") result.limits.finish_iterations = value.cast<int>();
    else if (name == "max_seconds") result.max_seconds = value.is_none() ? 0 : value.cast<double>();
    else if (name == "precise") result.limits.precise = value.cast<bool>();
    else if (name == "seed") result.seed = value.cast<uint64_t>();
    else if (name == "threads") result.threads = std::max(1, value.cast<int>());
    else if (name == "keep_starts") result.keep_starts = value.cast<bool>();
    else throw py::value_error("unknown option: " + name);
  }
  if (result.limits.precise) result.limits.tolerance = std::min(result.limits.tolerance, 1e-14);
  return result;
}

CovarianceKind covariance_kind(const std::string& name) {
  static const char* kinds[] = {"jacobian", "hessian", "sandwich", "cluster"};
  for (int i = 0; i < 4; ++i) if (name == kinds[i]) return static_cast<CovarianceKind>(i);
  throw py::value_error("kind: unknown " + name);
}

}  // namespace lawfit_module
