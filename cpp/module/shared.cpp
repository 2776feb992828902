// Joint fits with shared parameters, as Python calls them.

#include "../engine/shared_covariance.hpp"
#include "../engine/shared_fit.hpp"
#include "../engine/shared_resample.hpp"
#include "arguments.hpp"
#include "bindings.hpp"

namespace lawfit_module {

namespace {
// One law under one objective; the rows of the table stand group after group.
struct SharedArguments {
  TableArguments table;
  Doubles lower, upper, guess, given;
  Int8s shared;
  Int64s offsets;
  GraphArguments graph;
  SharedRequest request;

  SharedArguments(const py::tuple& graph_in, const py::tuple& data, const py::tuple& objective, const py::tuple& bounds, const Int64s& offsets_in,
                  const Int8s& shared_in)
      : table(data[0].cast<py::list>(), data[1], data[2], data[3]), lower(bounds[0].cast<Doubles>()), upper(bounds[1].cast<Doubles>()),
        guess(bounds[2].cast<Doubles>()), shared(shared_in), offsets(offsets_in),
        graph(graph_in, static_cast<int>(lower.size()), static_cast<int>(table.columns.size())),
        request{graph.view, table.view, offsets.data(), offsets.size() - 1,
                objective_spec(objective),
                to_vector(lower), to_vector(upper), to_vector(guess), std::vector<char>(shared.data(), shared.data() + shared.size()), {}} {
    const py::ssize_t p = lower.size();
    require(upper.size() == p && guess.size() == p && shared.size() == p, "bounds: lengths differ");
    const auto common = std::count_if(request.shared.begin(), request.shared.end(), [](char s) { return s != 0; });
    require(common > 0 && common < p, "shared: some parameters must be, and some not");
    require(offsets.size() >= 1 && offsets.data()[0] == 0 && offsets.data()[offsets.size() - 1] == table.view.rows, "offsets: must span the table");
    for (int64_t g = 0; g < request.groups; ++g) require(offsets.data()[g] <= offsets.data()[g + 1], "offsets: must not decrease");
    require(!has_kink(request.objective.loss), "loss: has a kink");
  }
  void starts(const py::object& in, int asked) {
    request.starts.asked = asked;
    if (in.is_none()) return;
    given = in.cast<Doubles>();
    require(given.ndim() == 2 || given.ndim() == 3, "starts: expected (starts, parameters) or (groups, starts, parameters)");
    require(given.shape(given.ndim() - 1) == lower.size() && given.shape(given.ndim() - 2) > 0, "starts: wrong shape");
    request.starts.sets = given.ndim() == 3 ? request.groups : 0;
    require(given.ndim() == 2 || given.shape(0) == request.groups, "starts: wrong number of groups");
    request.starts.given = given.data();
    request.starts.count = given.shape(given.ndim() - 2);
  }
};

py::dict fit(const py::tuple& graph, const py::tuple& data, const py::tuple& objective, const py::tuple& bounds, const Int64s& offsets,
             const Int8s& shared, const py::object& starts, int n_starts, const py::dict& options, const py::object& progress) {
  SharedArguments arguments(graph, data, objective, bounds, offsets, shared);
  arguments.starts(starts, n_starts);
  FitOptions settings = fit_options(options);
  Poll poll{progress};
  settings.poll = [&](int64_t done, int64_t total) { return poll(done, total); };
  SharedTable table(0, 0);
  {
    py::gil_scoped_release release;
    table = fit_shared(arguments.request, settings);
  }
  if (poll.error) std::rethrow_exception(poll.error);
  const py::ssize_t p = arguments.lower.size(), g = arguments.request.groups;
  py::dict out;
  FitTable& each = table.groups;
  out["params"] = to_numpy(std::move(each.values), {g, p});
  out["objective"] = to_numpy(std::move(each.objective), {g});
  out["status"] = to_numpy(std::move(each.status), {g});
  out["n_iterations"] = to_numpy(std::move(each.iterations), {g});
  out["gradient_norm"] = to_numpy(std::move(each.gradient_norm), {g});
  out["active"] = to_numpy(std::move(each.active), {g, p});
  out["n_starts"] = to_numpy(std::move(each.n_starts), {g});
  out["n_converged"] = to_numpy(std::move(each.n_converged), {g});
  out["best_basin_share"] = to_numpy(std::move(each.best_share), {g});
  out["second_objective"] = to_numpy(std::move(each.second_objective), {g});
  out["tradeoff"] = to_numpy(std::move(each.tradeoff), {g, p, p}).attr("view")("bool");
  out["moved"] = to_numpy(std::move(each.moved), {g}).attr("view")("bool");
  py::dict joint;
  joint["objective"] = table.objective;
  joint["gradient_norm"] = table.gradient_norm;
  joint["status"] = static_cast<int>(table.status);
  joint["n_iterations"] = table.iterations;
  joint["active"] = to_numpy(std::move(table.shared_active), {p});
  joint["lost"] = to_numpy(std::move(table.shared_lost), {p}).attr("view")("bool");
  out["joint"] = joint;
  return out;
}

py::tuple covariances(const py::tuple& graph, const py::tuple& data, const py::tuple& objective, const py::tuple& bounds, const Int64s& offsets,
                      const Int8s& shared, const Doubles& params, const Int8s& active, const std::string& kind, bool absolute,
                      const py::object& clusters, int threads) {
  SharedArguments arguments(graph, data, objective, bounds, offsets, shared);
  const py::ssize_t g = arguments.request.groups, p = arguments.lower.size();
  require(params.ndim() == 2 && params.shape(0) == g && params.shape(1) == p && active.size() == params.size(), "params: expected (groups, parameters)");
  Int32s units;
  if (!clusters.is_none()) {
    units = clusters.cast<Int32s>();
    require(units.size() == arguments.table.view.rows, "clusters: expected one a row");
    for (py::ssize_t r = 0; r < units.size(); ++r) require(units.data()[r] >= 0, "clusters: must not be negative");
  }
  const CovarianceKind which = covariance_kind(kind);
  require(which != CovarianceKind::cluster || units.size() > 0, "clusters: needed for the cluster kind");
  SharedCovariances found;
  {
    py::gil_scoped_release release;
    const CompiledLaw law = shared_program(arguments.request);
    found = shared_covariances(law, arguments.request.table, arguments.request.objective,
                               {offsets.data(), g, arguments.request.shared, which, absolute, units.size() ? units.data() : nullptr, threads},
                               params.data(), active.data());
  }
  return py::make_tuple(to_numpy(std::move(found.groups), {g, p, p}), found.freedom, found.scatter, found.determined);
}

// scheme: kind, within (every group draws its own rows or clusters), units, keys.
py::dict resample(const py::tuple& graph, const py::tuple& data, const py::tuple& objective, const py::tuple& bounds, const Int64s& offsets,
                  const Int8s& shared, const Doubles& warm, int64_t count, const py::dict& scheme, const py::dict& options,
                  const py::object& progress) {
  SharedArguments arguments(graph, data, objective, bounds, offsets, shared);
  const py::ssize_t g = arguments.request.groups, p = arguments.lower.size(), n = arguments.table.view.rows;
  require(warm.ndim() == 2 && warm.shape(0) == g && warm.shape(1) == p, "warm: expected (groups, parameters)");
  require(count >= 0, "replicates: must not be negative");
  SharedReplicates replicates{warm.data(), count, {}, scheme["within"].cast<bool>()};
  const std::string kind = scheme["kind"].cast<std::string>();
  Scheme& s = replicates.scheme;
  if (kind == "pairs") s.kind = Resampling::pairs;
  else if (kind == "cluster") s.kind = Resampling::cluster;
  else if (kind == "bayesian") s.kind = Resampling::bayesian;
  else if (kind == "jackknife") s.kind = Resampling::jackknife;
  else throw py::value_error("kind: unknown " + kind);
  Int32s units;
  if (scheme.contains("units")) {
    units = scheme["units"].cast<Int32s>();
    require(units.size() == n, "units: expected one a row");
    for (py::ssize_t r = 0; r < n; ++r) require(units.data()[r] >= 0, "units: must not be negative");
    s.units = units.data();
  }
  require(s.units || s.kind != Resampling::cluster, "scheme: units are missing");
  py::array_t<uint64_t, py::array::c_style | py::array::forcecast> keys;
  if (scheme.contains("keys")) {
    keys = scheme["keys"].cast<decltype(keys)>();
    require(keys.size() == (replicates.within_groups ? g : 1), "keys: expected one a group");
    s.keys = keys.data();
  }
  FitOptions settings = fit_options(options);
  Poll poll{progress};
  settings.poll = [&](int64_t done, int64_t total) { return poll(done, total); };
  SharedReplicateTable table;
  {
    py::gil_scoped_release release;
    table = resample_shared(arguments.request, replicates, settings);
  }
  if (poll.error) std::rethrow_exception(poll.error);
  py::dict out;
  out["params"] = to_numpy(std::move(table.values), {g, static_cast<py::ssize_t>(count), p});
  out["objective"] = to_numpy(std::move(table.objective), {static_cast<py::ssize_t>(count)});
  out["status"] = to_numpy(std::move(table.status), {static_cast<py::ssize_t>(count)});
  return out;
}
}  // namespace

void bind_shared(py::module_& m) {
  m.def("fit_shared", &fit);
  m.def("resample_shared", &resample);
  m.def("shared_covariances", &covariances);
}

}  // namespace lawfit_module
