#include "arguments.hpp"

namespace lawfit_module {

GraphArguments::GraphArguments(const py::tuple& graph, int parameters, int variables) {
  require(graph.size() == 5 || graph.size() == 6, "graph: expected (op, a, b, c, value) and perhaps priors");
  op = graph[0].cast<Int32s>();
  a = graph[1].cast<Int32s>();
  b = graph[2].cast<Int32s>();
  c = graph[3].cast<Int32s>();
  value = graph[4].cast<Doubles>();
  require(op.size() == a.size() && op.size() == b.size() && op.size() == c.size() && op.size() == value.size(), "graph: arrays differ in length");
  view = {op.data(), a.data(), b.data(), c.data(), value.data(), static_cast<int>(op.size()), parameters, variables};
  if (graph.size() == 5) return;
  priors = graph[5].cast<Doubles>();
  require(priors.ndim() == 2 && priors.shape(1) == 4, "priors: expected rows of four");
  view.priors = priors.data();
  view.prior_count = static_cast<int>(priors.shape(0));
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

ObjectiveSpec objective_spec(const std::string& space, const std::string& loss, const py::handle& numbers) {
  static const char* spaces[] = {"linear", "log", "logit", "relative"};
  static const char* losses[] = {"squared", "huber", "soft_l1", "cauchy", "absolute", "quantile", "log_cosh", "student_t", "poisson",
                                 "negative_binomial", "binomial"};
  const bool several = py::isinstance<py::tuple>(numbers);
  const double parameter = several ? numbers.cast<py::tuple>()[0].cast<double>() : numbers.cast<double>();
  ObjectiveSpec spec{Space::linear, Loss::squared, parameter, 0.5};
  bool found = false;
  for (int i = 0; i < 4; ++i) if (space == spaces[i]) { spec.space = static_cast<Space>(i); found = true; }
  require(found, "unknown residual space: " + space);
  found = false;
  for (int i = 0; i < static_cast<int>(std::size(losses)); ++i) if (loss == losses[i]) { spec.loss = static_cast<Loss>(i); found = true; }
  require(found, "unknown loss: " + loss);
  if (spec.loss == Loss::quantile) { spec.tail = parameter; spec.scale = 1; }
  if (spec.loss == Loss::squared || spec.loss == Loss::absolute) spec.scale = 1;
  if (several) {
    const auto t = numbers.cast<py::tuple>();
    require(t.size() == 4, "loss: expected four numbers");
    spec.tail = t[1].cast<double>();
    spec.free_scale = t[2].cast<bool>();
    spec.free_tail = t[3].cast<bool>();
    require(std::isfinite(spec.tail) && spec.tail >= 0, "loss: tail must not be negative");
  }
  require(!of_counts(spec.loss) || spec.space == Space::linear, "loss: counts and shares have no residual space");
  const bool positive = of_counts(spec.loss) ? spec.scale >= 0 : spec.scale > 0;
  require(positive && std::isfinite(spec.scale), "loss scale must be positive and finite");
  return spec;
}

ObjectiveSpec objective_spec(const py::tuple& objective) {
  return objective_spec(objective[0].cast<std::string>(), objective[1].cast<std::string>(), objective[2]);
}

std::vector<LossNumbers> loss_numbers(const py::object& pairs, int64_t count) {
  std::vector<LossNumbers> out;
  if (pairs.is_none()) return out;
  const auto array = pairs.cast<Doubles>();
  require(array.ndim() == 2 && array.shape(0) == count && array.shape(1) == 2, "numbers: expected two for each fit");
  for (int64_t k = 0; k < count; ++k) out.push_back({array.data()[2 * k], array.data()[2 * k + 1]});
  return out;
}
std::vector<double> flat(const std::vector<LossNumbers>& numbers) {
  std::vector<double> out;
  out.reserve(2 * numbers.size());
  for (const LossNumbers& n : numbers) out.insert(out.end(), {n.scale, n.tail});
  return out;
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
