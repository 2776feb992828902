// Profiles of quantities of a fit.
#include "../engine/numbers_at.hpp"
#include "../engine/profile.hpp"
#include "arguments.hpp"
#include "bindings.hpp"

namespace lawfit_module {

namespace {
py::dict profile_quantities(const py::tuple& graph, const py::tuple& data, const py::tuple& objective, const py::tuple& bounds,
                            const Doubles& fitted, const py::tuple& quantity, const py::list& quantity_columns, const Doubles& rise,
                            const Doubles& tangent, const Doubles& step, const Doubles& least, const Doubles& most, int points,
                            const py::dict& settings) {
  TableArguments table(data[0].cast<py::list>(), data[1], data[2], data[3]);
  TableArguments quantities(quantity_columns, py::none(), py::none(), py::none());
  const int p = static_cast<int>(fitted.size());
  const int64_t n = quantities.view.rows;
  GraphArguments law_graph(graph, p, static_cast<int>(table.columns.size())), quantity_graph(quantity, p, static_cast<int>(quantities.columns.size()));
  ProfileRequest request{table.view, objective_spec(objective),
                         to_vector(bounds[0].cast<Doubles>()), to_vector(bounds[1].cast<Doubles>()), to_vector(fitted), n,
                         rise.data(), tangent.data(), step.data(), least.data(), most.data(), points};
  require(static_cast<int>(request.lower.size()) == p && static_cast<int>(request.upper.size()) == p, "bounds: lengths differ");
  for (const Doubles* array : {&rise, &step, &least, &most}) require(array->size() == n, "quantities: lengths differ");
  require(tangent.size() == n * p && points >= 0, "tangent: expected (quantities, parameters)");
  FitOptions options = fit_options(settings);
  Poll poll{py::none()};
  options.poll = [&](int64_t done, int64_t total) { return poll(done, total); };
  ProfileTable result;
  {
    py::gil_scoped_release release;
    const std::vector<double> low(p, -INFINITY), high(p, INFINITY);
    CompiledLaw law(law_graph.view, table.view, low, high), of(quantity_graph.view, quantities.view, low, high);
    result = profile(law, of, {quantity_graph.view, quantities.view}, request, options);
  }
  if (poll.error) std::rethrow_exception(poll.error);
  py::dict out;
  out["low"] = to_numpy(std::move(result.low), {n});
  out["high"] = to_numpy(std::move(result.high), {n});
  out["low_end"] = to_numpy(std::move(result.low_kind), {n});
  out["high_end"] = to_numpy(std::move(result.high_kind), {n});
  out["value"] = to_numpy(std::move(result.centre), {n});
  out["best"] = to_numpy(std::move(result.best), {n});
  py::list paths;
  for (ProfilePath& path : result.paths) {
    const auto k = static_cast<py::ssize_t>(path.value.size());
    paths.append(py::make_tuple(to_numpy(std::move(path.value), {k}), to_numpy(std::move(path.objective), {k}), to_numpy(std::move(path.parameters), {k, p})));
  }
  out["paths"] = paths;
  return out;
}

// The joint objective of a likelihood at given parameters with its best numbers there, and these.
py::tuple best_numbers(const py::tuple& graph, const py::tuple& data, const py::tuple& objective, const Doubles& params) {
  TableArguments table(data[0].cast<py::list>(), data[1], data[2], data[3]);
  const int p = static_cast<int>(params.size());
  GraphArguments law_graph(graph, p, static_cast<int>(table.columns.size()));
  const ObjectiveSpec spec = objective_spec(objective);
  require(spec.estimates(), "loss: estimates no numbers");
  NumbersAt found;
  {
    py::gil_scoped_release release;
    const std::vector<double> low(p, -INFINITY), high(p, INFINITY);
    found = numbers_at(CompiledLaw(law_graph.view, table.view, low, high), table.view, spec, params.data());
  }
  return py::make_tuple(found.objective, py::make_tuple(found.numbers.scale, found.numbers.tail));
}
}  // namespace

void bind_profile(py::module_& m) {
  m.def("profile", &profile_quantities);
  m.def("numbers_at", &best_numbers);
}

}  // namespace lawfit_module
