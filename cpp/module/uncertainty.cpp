// Covariances and replicates: what is known about a fit beyond its parameters.
#include <algorithm>

#include "../engine/covariance.hpp"
#include "../engine/resample.hpp"
#include "arguments.hpp"
#include "bindings.hpp"

namespace lawfit_module {

namespace {
std::vector<double> unbounded(int n, double value) { return std::vector<double>(n, value); }

template <class Enum> Enum choose(const std::string& argument, const std::string& name, std::initializer_list<const char*> names) {
  int at = 0;
  for (const char* known : names) {
    if (name == known) return static_cast<Enum>(at);
    ++at;
  }
  throw py::value_error(argument + ": unknown " + name);
}

// Scheme arrays and everything else a batch of replicates needs, kept alive.
struct ReplicateArguments {
  TableArguments table;
  int p;
  GraphArguments graph;
  Int64s offsets;
  Doubles warm, given, centre, spread, pool, tail;
  Int32s units;
  py::array_t<uint64_t, py::array::c_style | py::array::forcecast> keys;
  ReplicateRequest request;
  FitOptions options;
  std::vector<LossNumbers> numbers;   // per group, the fourth of the objective's entries

  ReplicateArguments(const py::tuple& graph_in, const py::tuple& data, const py::tuple& objective, const py::tuple& bounds,
                     const Int64s& offsets_in, const Doubles& warm_in, int64_t replicates, const py::dict& scheme, const py::dict& settings)
      : table(data[0].cast<py::list>(), data[1], data[2], data[3]), p(static_cast<int>(bounds[0].cast<Doubles>().size())),
        graph(graph_in, p, static_cast<int>(table.columns.size())), offsets(offsets_in), warm(warm_in),
        request{graph.view, table.view, offsets.data(), offsets.size() - 1,
                objective_spec(objective),
                to_vector(bounds[0].cast<Doubles>()), to_vector(bounds[1].cast<Doubles>()), to_vector(bounds[2].cast<Doubles>()), warm.data(),
                replicates, {}},
        options(fit_options(settings)) {
    const int64_t rows = table.view.rows;
    require(offsets.size() >= 1 && offsets.data()[0] >= 0 && offsets.data()[offsets.size() - 1] <= rows, "offsets: outside the table");
    for (int64_t g = 0; g < request.groups; ++g) require(offsets.data()[g] <= offsets.data()[g + 1], "offsets: must not decrease");
    require(warm.ndim() == 2 && warm.shape(0) == request.groups && warm.shape(1) == p, "warm: expected (groups, parameters)");
    require(request.upper.size() == request.lower.size() && request.guess.size() == request.lower.size(), "bounds: lengths differ");
    require(replicates >= 0, "replicates: must not be negative");
    if (objective.size() > 3) numbers = loss_numbers(objective[3], request.groups);
    request.numbers = data_or_null(numbers);
    require(request.numbers || !request.objective.estimates(), "numbers: needed for every group");
    Scheme& s = request.scheme;
    s.kind = choose<Resampling>("kind", scheme["kind"].cast<std::string>(),
                                {"pairs", "cluster", "stratified", "bayesian", "jackknife", "residual", "wild", "parametric", "given"});
    if (scheme.contains("multiplier")) s.multiplier = choose<Multiplier>("multiplier", scheme["multiplier"].cast<std::string>(), {"rademacher", "mammen", "webb"});
    s.centre = row_array(scheme, "centre", centre);
    s.spread = row_array(scheme, "spread", spread);
    s.pool = row_array(scheme, "pool", pool);
    s.tail = row_array(scheme, "tail", tail);
    if (scheme.contains("errors"))
      s.errors = choose<Errors>("errors", scheme["errors"].cast<std::string>(), {"normal", "student_t", "poisson", "negative_binomial", "binomial"});
    require(s.errors != Errors::student_t || s.tail, "scheme: tail is missing");
    require(!s.new_targets() || (s.centre && s.spread && (s.pool || s.kind != Resampling::residual)), "scheme: centre, spread or pool is missing");
    if (scheme.contains("units")) {
      units = scheme["units"].cast<Int32s>();
      require(units.size() == rows, "units: expected one a row");
      for (int64_t r = 0; r < rows; ++r) require(units.data()[r] >= 0, "units: must not be negative");
      s.units = units.data();
    }
    require(s.units || (s.kind != Resampling::cluster && s.kind != Resampling::stratified), "scheme: units are missing");
    if (scheme.contains("given")) {
      given = scheme["given"].cast<Doubles>();
      require(given.ndim() == 2 && given.shape(0) == replicates && given.shape(1) == rows, "given: expected (replicates, rows)");
      s.given = given.data();
    }
    require(s.given || s.kind != Resampling::given, "scheme: given weights are missing");
    if (scheme.contains("keys")) {
      keys = scheme["keys"].cast<py::array_t<uint64_t, py::array::c_style | py::array::forcecast>>();
      require(keys.size() == request.groups, "keys: expected one a group");
      s.keys = keys.data();
    }
  }

 private:
  const double* row_array(const py::dict& scheme, const char* name, Doubles& array) {
    if (!scheme.contains(name)) return nullptr;
    array = scheme[name].cast<Doubles>();
    require(array.size() == table.view.rows, std::string(name) + ": expected one a row");
    return array.data();
  }
};

py::dict resample_fits(const py::tuple& graph, const py::tuple& data, const py::tuple& objective, const py::tuple& bounds, const Int64s& offsets,
                       const Doubles& warm, int64_t replicates, const py::dict& scheme, int64_t checked, const py::dict& settings,
                       const py::object& progress) {
  ReplicateArguments arguments(graph, data, objective, bounds, offsets, warm, replicates, scheme, settings);
  arguments.request.checked = checked;
  Poll poll{progress};
  arguments.options.poll = [&](int64_t done, int64_t total) { return poll(done, total); };
  ReplicateTable result;
  {
    py::gil_scoped_release release;
    CompiledLaw law(arguments.graph.view, arguments.table.view, arguments.request.lower, arguments.request.upper);
    result = resample(law, arguments.request, arguments.options);
  }
  if (poll.error) std::rethrow_exception(poll.error);
  const py::ssize_t g = arguments.request.groups, r = replicates;
  py::dict out;
  out["params"] = to_numpy(std::move(result.values), {g, r, arguments.p});
  out["objective"] = to_numpy(std::move(result.objective), {g, r});
  out["status"] = to_numpy(std::move(result.status), {g, r});
  out["checked"] = to_numpy(std::move(result.checked), {g, r});
  if (!result.numbers.empty()) out["numbers"] = to_numpy(flat(result.numbers), {g, r, 2});
  return out;
}

py::array covariances_of_replicates(const py::tuple& graph, const py::tuple& data, const py::tuple& objective, const py::tuple& bounds,
                                    const Int64s& offsets, const Doubles& warm, int64_t replicates, const py::dict& scheme,
                                    const Doubles& values, const std::string& kind, bool absolute, const py::dict& settings,
                                    const py::object& numbers) {
  ReplicateArguments arguments(graph, data, objective, bounds, offsets, warm, replicates, scheme, settings);
  const py::ssize_t g = arguments.request.groups, p = arguments.p;
  require(values.ndim() == 3 && values.shape(0) == g && values.shape(1) == replicates && values.shape(2) == p,
          "values: expected (groups, replicates, parameters)");
  const CovarianceKind which = covariance_kind(kind);
  require(which != CovarianceKind::cluster || arguments.request.scheme.units, "units: needed for the cluster kind");
  const std::vector<LossNumbers> own = loss_numbers(numbers, g * replicates);
  Poll poll{py::none()};
  arguments.options.poll = [&](int64_t done, int64_t total) { return poll(done, total); };
  std::vector<double> out;
  {
    py::gil_scoped_release release;
    CompiledLaw law(arguments.graph.view, arguments.table.view, arguments.request.lower, arguments.request.upper);
    out = replicate_covariances(law, arguments.request, values.data(), data_or_null(own), which, absolute, arguments.options);
  }
  if (poll.error) std::rethrow_exception(poll.error);
  return to_numpy(std::move(out), {g, replicates, p, p});
}

// Fitted values, residuals (before division by sigma) and leverages of the rows of every group.
py::tuple rows_of_fits(const py::tuple& graph, const py::tuple& data, const py::tuple& objective, const Int64s& offsets, const Doubles& params,
                       const Int8s& active) {
  TableArguments table(data[0].cast<py::list>(), data[1], data[2], data[3]);
  require(params.ndim() == 2 && active.size() == params.size() && offsets.size() == params.shape(0) + 1, "params: expected (groups, parameters)");
  const int64_t n = table.view.rows, groups = params.shape(0);
  const int p = static_cast<int>(params.shape(1));
  const ObjectiveSpec spec = objective_spec(objective);
  GraphArguments arguments(graph, p, static_cast<int>(table.columns.size()));
  std::vector<double> fitted(n, NAN), residual(n, NAN), leverage(n, 0.0);
  int64_t longest = 1;
  for (int64_t g = 0; g < groups; ++g) {
    require(offsets.data()[g] >= 0 && offsets.data()[g] <= offsets.data()[g + 1] && offsets.data()[g + 1] <= n, "offsets: outside the table");
    longest = std::max(longest, offsets.data()[g + 1] - offsets.data()[g]);
  }
  {
    py::gil_scoped_release release;
    CompiledLaw law(arguments.view, table.view, unbounded(p, -INFINITY), unbounded(p, INFINITY));
    RowModel model(law, table.view, spec, longest);
    for (int64_t g = 0; g < groups; ++g) {
      const int64_t begin = offsets.data()[g], count = offsets.data()[g + 1] - begin;
      const double* at = params.data() + g * p;
      if (count == 0 || !std::all_of(at, at + p, [](double v) { return std::isfinite(v); })) continue;
      model.rows(at, {begin, count}, {&fitted[begin], nullptr, nullptr, nullptr, nullptr});
      for (int64_t r = begin; r < begin + count; ++r) {
        residual[r] = model.table().target[r] - space_transform(spec.space, fitted[r]);
        if (spec.space == Space::relative) residual[r] /= table.view.y[r];
      }
      leverages(model, spec.space, at, active.data() + g * p, p, begin, count, &leverage[begin]);
    }
  }
  return py::make_tuple(to_numpy(std::move(fitted), {n}), to_numpy(std::move(residual), {n}), to_numpy(std::move(leverage), {n}));
}

py::array fit_covariance(const py::tuple& graph, const Doubles& parameters, const py::list& columns, const Doubles& y, const py::object& weights,
                         const py::object& sigma, const std::string& space, const std::string& loss, const py::object& loss_numbers, const Int8s& active,
                         const std::string& kind, bool absolute, const py::object& clusters) {
  TableArguments table(columns, y, weights, sigma);
  const int p = static_cast<int>(parameters.size());
  require(active.size() == p, "active: length differs");
  const CovarianceKind which = covariance_kind(kind);
  Int32s units;
  if (!clusters.is_none()) {
    units = clusters.cast<Int32s>();
    require(units.size() == table.view.rows, "clusters: expected one a row");
    for (py::ssize_t r = 0; r < units.size(); ++r) require(units.data()[r] >= 0, "clusters: must not be negative");
  }
  require(which != CovarianceKind::cluster || (units.size() > 0), "clusters: needed for the cluster kind");
  GraphArguments arguments(graph, p, static_cast<int>(columns.size()));
  CompiledLaw law(arguments.view, table.view, unbounded(p, -INFINITY), unbounded(p, INFINITY));
  RowModel model(law, table.view, objective_spec(space, loss, loss_numbers), table.view.rows);
  std::vector<double> out(static_cast<size_t>(p) * p);
  const CovarianceRequest request{which, absolute, 0, table.view.rows, units.size() ? units.data() : nullptr};
  covariance(model, parameters.data(), active.data(), request, out.data(), p);
  return to_numpy(std::move(out), {p, p});
}
}  // namespace

void bind_uncertainty(py::module_& m) {
  m.def("resample", &resample_fits);
  m.def("replicate_covariances", &covariances_of_replicates, py::arg("graph"), py::arg("data"), py::arg("objective"), py::arg("bounds"),
        py::arg("offsets"), py::arg("warm"), py::arg("replicates"), py::arg("scheme"), py::arg("values"), py::arg("kind"), py::arg("absolute"),
        py::arg("settings"), py::arg("numbers") = py::none());
  m.def("rows_of_fits", &rows_of_fits);
  m.def("covariance", &fit_covariance, py::arg("graph"), py::arg("params"), py::arg("columns"), py::arg("y"), py::arg("weights"),
        py::arg("sigma"), py::arg("space"), py::arg("loss"), py::arg("loss_numbers"), py::arg("active"), py::arg("kind"),
        py::arg("absolute"), py::arg("clusters") = py::none());
}

}  // namespace lawfit_module
