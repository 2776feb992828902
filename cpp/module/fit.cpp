// Fits, one law or many, as Python calls them.

#include "../engine/batch.hpp"
#include "arguments.hpp"
#include "bindings.hpp"

namespace lawfit_module {

namespace {
// Keeps alive what a BatchLaw points into.
struct LawArguments {
  Doubles lower, upper, guess, given;
  GraphArguments graph;
  BatchLaw law;

  LawArguments(const py::tuple& t, int columns, int64_t groups)
      : lower(t[2].cast<Doubles>()), upper(t[3].cast<Doubles>()), guess(t[4].cast<Doubles>()),
        graph(t[0].cast<py::tuple>(), static_cast<int>(lower.size()), static_cast<int>(py::len(t[1]))) {
    const py::ssize_t p = lower.size();
    require(upper.size() == p && guess.size() == p, "bounds: lengths differ");
    law = {graph.view, t[1].cast<std::vector<int>>(), to_vector(lower), to_vector(upper), to_vector(guess), {}};
    for (int column : law.columns) require(column >= 0 && column < columns, "columns: no such column");
    law.starts.asked = t[6].cast<int>();
    if (t[5].is_none()) return;
    given = t[5].cast<Doubles>();
    require(given.ndim() == 2 || given.ndim() == 3, "starts: expected (starts, parameters) or (groups, starts, parameters)");
    require(given.shape(given.ndim() - 1) == p, "starts: wrong number of parameters");
    law.starts.per_group = given.ndim() == 3;
    require(!law.starts.per_group || given.shape(0) == groups, "starts: wrong number of groups");
    law.starts.given = given.data();
    law.starts.count = given.shape(given.ndim() - 2);
    require(law.starts.count > 0, "starts: none given");
  }
};

struct SubsetArguments {
  Int64s rows, offsets;
  Subset subset;

  SubsetArguments(const py::tuple& t, int64_t table_rows) : offsets(t[1].cast<Int64s>()) {
    if (!t[0].is_none()) rows = t[0].cast<Int64s>();
    const int64_t listed = t[0].is_none() ? table_rows : rows.size();
    require(offsets.size() >= 1, "offsets: expected groups + 1 entries");
    const int64_t* o = offsets.data();
    require(o[0] >= 0 && o[offsets.size() - 1] <= listed, "offsets: outside the table");
    bool rising = true, inside = true;
    for (py::ssize_t g = 0; g + 1 < offsets.size(); ++g) rising &= o[g] <= o[g + 1];
    for (py::ssize_t k = 0; !t[0].is_none() && k < listed; ++k) inside &= rows.data()[k] >= 0 && rows.data()[k] < table_rows;
    require(rising, "offsets: must not decrease");
    require(inside, "rows: outside the table");
    subset = {t[0].is_none() ? nullptr : rows.data(), o};
  }
};

py::dict arrays_of(FitTable&& table, const std::vector<py::ssize_t>& axes) {
  auto shape = [&](std::initializer_list<py::ssize_t> more) {
    std::vector<py::ssize_t> all = axes;
    all.insert(all.end(), more);
    return all;
  };
  const py::ssize_t p = table.parameters, s = table.starts;
  py::dict out;
  out["params"] = to_numpy(std::move(table.values), shape({p}));
  out["objective"] = to_numpy(std::move(table.objective), axes);
  out["status"] = to_numpy(std::move(table.status), axes);
  out["n_iterations"] = to_numpy(std::move(table.iterations), axes);
  out["gradient_norm"] = to_numpy(std::move(table.gradient_norm), axes);
  out["active"] = to_numpy(std::move(table.active), shape({p}));
  out["n_starts"] = to_numpy(std::move(table.n_starts), axes);
  out["n_converged"] = to_numpy(std::move(table.n_converged), axes);
  out["best_basin_share"] = to_numpy(std::move(table.best_share), axes);
  out["second_objective"] = to_numpy(std::move(table.second_objective), axes);
  out["tradeoff"] = to_numpy(std::move(table.tradeoff), shape({p, p})).attr("view")("bool");
  out["moved"] = to_numpy(std::move(table.moved), axes).attr("view")("bool");
  if (!table.numbers.empty()) out["numbers"] = to_numpy(flat(table.numbers), shape({2}));
  if (!table.start_status.empty() || s > 0) {
    out["start_params"] = to_numpy(std::move(table.start_values), shape({s, p}));
    out["start_objective"] = to_numpy(std::move(table.start_objective), shape({s}));
    out["start_status"] = to_numpy(std::move(table.start_status), shape({s}));
  }
  return out;
}

std::vector<FitTable> run(const BatchRequest& request, const py::dict& options, const py::object& progress) {
  FitOptions settings = fit_options(options);
  Poll poll{progress};
  settings.poll = [&](int64_t done, int64_t total) { return poll(done, total); };
  std::vector<FitTable> tables;
  {
    py::gil_scoped_release release;
    tables = fit_batch(request, settings);
  }
  if (poll.error) std::rethrow_exception(poll.error);
  return tables;
}

// laws: tuples (graph, columns by position, lower, upper, guess, starts or None, number of Sobol starts);
// objectives: (space, loss, loss parameter); subsets: (rows sorted by group or None, offsets).
// One dict per law; arrays have leading axes objectives, subsets, groups.
py::list fit_many(const py::list& laws, const py::list& columns, const Doubles& y, const py::object& weights, const py::object& sigma,
                  const py::list& objectives, const py::list& subsets, const py::dict& options, const py::object& progress) {
  const TableArguments table(columns, y, weights, sigma);
  BatchRequest request{table.view, {}, {}, {}, -1};
  std::vector<std::unique_ptr<SubsetArguments>> subset_arguments;
  for (auto item : subsets) {
    subset_arguments.push_back(std::make_unique<SubsetArguments>(item.cast<py::tuple>(), table.view.rows));
    const int64_t groups = subset_arguments.back()->offsets.size() - 1;
    require(request.groups < 0 || request.groups == groups, "subsets: numbers of groups differ");
    request.groups = groups;
    request.subsets.push_back(subset_arguments.back()->subset);
  }
  request.groups = std::max<int64_t>(request.groups, 0);
  std::vector<std::unique_ptr<LawArguments>> law_arguments;
  for (auto item : laws) {
    law_arguments.push_back(std::make_unique<LawArguments>(item.cast<py::tuple>(), static_cast<int>(columns.size()), request.groups));
    request.laws.push_back(law_arguments.back()->law);
  }
  for (auto item : objectives) {
    const auto t = item.cast<py::tuple>();
    request.objectives.push_back(objective_spec(t));
  }
  std::vector<FitTable> tables = run(request, options, progress);
  py::list out;
  const std::vector<py::ssize_t> axes{static_cast<py::ssize_t>(objectives.size()), static_cast<py::ssize_t>(subsets.size()), request.groups};
  for (FitTable& t : tables) out.append(arrays_of(std::move(t), axes));
  return out;
}

// One law under one objective; arrays have a leading axis of groups.
py::dict fit_one_law(const py::tuple& graph, const py::list& columns, const Doubles& y, const py::object& weights, const py::object& sigma,
                     const Int64s& offsets, const std::string& space, const std::string& loss, const py::object& loss_numbers, const Doubles& lower,
                     const Doubles& upper, const Doubles& guess, const py::object& starts, int n_starts, const py::dict& options,
                     const py::object& progress) {
  py::list places;
  for (size_t k = 0; k < columns.size(); ++k) places.append(k);
  py::list laws, objectives, subsets;
  laws.append(py::make_tuple(graph, places, lower, upper, guess, starts, n_starts));
  objectives.append(py::make_tuple(space, loss, loss_numbers));
  subsets.append(py::make_tuple(py::none(), offsets));
  py::dict result = fit_many(laws, columns, y, weights, sigma, objectives, subsets, options, progress)[0].cast<py::dict>();
  for (auto [name, array] : py::dict(result)) result[name] = array[py::make_tuple(0, 0)];
  return result;
}

}  // namespace

void bind_fit(py::module_& m) {
  m.def("fit", &fit_one_law);
  m.def("fit_many", &fit_many);
}

}  // namespace lawfit_module
