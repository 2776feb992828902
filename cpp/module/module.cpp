// The compiled functions Python sees: arrays in, arrays out, no classes.
#include "../engine/row_model.hpp"
#include "arguments.hpp"
#include "bindings.hpp"

namespace lawfit_module {

namespace {

#ifndef LAWFIT_LEVEL
#define LAWFIT_LEVEL native
#endif
#define LAWFIT_TEXT_(x) #x
#define LAWFIT_TEXT(x) LAWFIT_TEXT_(x)

py::dict opcodes() {
  py::dict result;
  for (int i = 0; i < op_count(); ++i)
    if (op_is_public(static_cast<Op>(i))) result[op_name(static_cast<Op>(i))] = i;
  return result;
}

py::list statuses() {
  py::list result;
#define STATUS(name, sentence) result.append(py::make_tuple(#name, sentence));
#include "../engine/status.def"
#undef STATUS
  return result;
}

std::vector<double> unbounded(int n, double value) { return std::vector<double>(n, value); }

// A table without y, for evaluating a law.
struct Evaluation {
  TableArguments table;
  std::vector<double> zeros;
  Evaluation(const py::list& columns) : table(columns, py::none(), py::none(), py::none()), zeros(table.view.rows, 0.0) {
    table.view.y = zeros.data();
  }
};

py::array evaluate(const py::tuple& graph, const Doubles& parameters, const py::list& columns) {
  require(parameters.ndim() == 2, "params: expected two dimensions");
  const auto k = parameters.shape(0), p = parameters.shape(1);
  GraphArguments arguments(graph, static_cast<int>(p), static_cast<int>(columns.size()));
  Evaluation data(columns);
  const int64_t n = data.table.view.rows;
  std::vector<double> out(static_cast<size_t>(k * n));
  if (n > 0) {
    py::gil_scoped_release release;
    CompiledLaw law(arguments.view, data.table.view, unbounded(p, -INFINITY), unbounded(p, INFINITY));
    RowModel model(law, data.table.view, {Space::linear, Loss::squared, 1, 0.5}, n);
    for (py::ssize_t i = 0; i < k; ++i)
      model.rows(parameters.data() + i * p, {0, n}, {out.data() + i * n, nullptr, nullptr, nullptr, nullptr});
  }
  return to_numpy(std::move(out), {k, n});
}

py::array jacobian(const py::tuple& graph, const Doubles& parameters, const py::list& columns) {
  const auto p = parameters.size();
  GraphArguments arguments(graph, static_cast<int>(p), static_cast<int>(columns.size()));
  Evaluation data(columns);
  const int64_t n = data.table.view.rows;
  std::vector<double> out(static_cast<size_t>(n * p));
  if (n > 0) {
    CompiledLaw law(arguments.view, data.table.view, unbounded(p, -INFINITY), unbounded(p, INFINITY));
    RowModel model(law, data.table.view, {Space::linear, Loss::squared, 1, 0.5}, n);
    model.rows(parameters.data(), {0, n}, {nullptr, nullptr, nullptr, nullptr, out.data()});
  }
  return to_numpy(std::move(out), {n, p});
}

// Second derivatives of sum(slope * model) with slope one: the Hessian of the summed model.
py::array model_hessian(const py::tuple& graph, const Doubles& parameters, const py::list& columns) {
  const auto p = parameters.size();
  GraphArguments arguments(graph, static_cast<int>(p), static_cast<int>(columns.size()));
  Evaluation data(columns);
  const int64_t n = data.table.view.rows;
  CompiledLaw law(arguments.view, data.table.view, unbounded(p, -INFINITY), unbounded(p, INFINITY));
  // Half the squared residual against y = model + 1 and against y = model - 1: the difference of
  // the two Hessians is minus twice the model's own second derivatives.
  std::vector<double> fitted(n), shifted(n), up(static_cast<size_t>(p * p)), down(up.size());
  const ObjectiveSpec spec{Space::linear, Loss::squared, 1, 0.5};
  RowModel(law, data.table.view, spec, n).rows(parameters.data(), {0, n}, {fitted.data(), nullptr, nullptr, nullptr, nullptr});
  for (int side = 0; side < 2; ++side) {
    for (int64_t i = 0; i < n; ++i) shifted[i] = fitted[i] + (side ? 1 : -1);
    data.table.view.y = shifted.data();
    RowModel(law, data.table.view, spec, n).hessian(parameters.data(), {0, n}, side ? up.data() : down.data());
  }
  for (size_t i = 0; i < up.size(); ++i) down[i] = 0.5 * (down[i] - up[i]);
  return to_numpy(std::move(down), {p, p});
}

py::dict pointwise(const py::tuple& graph, const Doubles& parameters, const py::list& columns, const Doubles& y, const py::object& weights,
                   const py::object& sigma, const std::string& space, const std::string& loss, const py::object& loss_numbers) {
  TableArguments table(columns, y, weights, sigma);
  const int p = static_cast<int>(parameters.size());
  const int64_t n = table.view.rows;
  GraphArguments arguments(graph, p, static_cast<int>(columns.size()));
  CompiledLaw law(arguments.view, table.view, unbounded(p, -INFINITY), unbounded(p, INFINITY));
  const ObjectiveSpec spec = objective_spec(space, loss, loss_numbers);
  RowModel model(law, table.view, spec, n);
  std::vector<double> fitted(n), residual(n), value(n), slope(n), majoriser(n), curvature(n);
  model.rows(parameters.data(), {0, n}, {fitted.data(), slope.data(), majoriser.data(), curvature.data(), nullptr, value.data()});
  for (int64_t i = 0; i < n; ++i) {
    const double scale = model.table().inverse_sigma.empty() ? 1 : model.table().inverse_sigma[i];
    residual[i] = (model.table().target[i] - space_transform(spec.space, fitted[i])) * scale;
  }
  py::dict out;
  out["fitted"] = to_numpy(std::move(fitted), {n});
  out["residual"] = to_numpy(std::move(residual), {n});
  out["value"] = to_numpy(std::move(value), {n});
  out["slope"] = to_numpy(std::move(slope), {n});
  out["curvature"] = to_numpy(std::move(curvature), {n});
  out["majoriser"] = to_numpy(std::move(majoriser), {n});
  return out;
}

}  // namespace

PYBIND11_MODULE(LAWFIT_MODULE, m, py::mod_gil_not_used()) {
  m.doc() = "Compiled engine of lawfit";
  m.def("opcodes", &opcodes);
  m.def("statuses", &statuses);
  m.def("level", [] { return LAWFIT_TEXT(LAWFIT_LEVEL); });
  m.def("evaluate", &evaluate);
  m.def("jacobian", &jacobian);
  m.def("model_hessian", &model_hessian);
  m.def("pointwise", &pointwise);
  bind_fit(m);
  bind_group(m);
  bind_profile(m);
  bind_row_jobs(m);
  bind_shared(m);
  bind_uncertainty(m);
}

}  // namespace lawfit_module
