// Fits, one law or many, as Python calls them.

#include "../engine/batches.hpp"
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
    law.starts.sets = given.ndim() == 3 ? groups : 0;
    require(given.ndim() == 2 || given.shape(0) == groups, "starts: wrong number of groups");
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

// Keeps alive what a BatchRequest points into.
struct RequestArguments {
  TableArguments table;
  std::vector<std::unique_ptr<SubsetArguments>> subsets;
  std::vector<std::unique_ptr<LawArguments>> laws;
  BatchRequest request;

  // laws: tuples (graph, columns by position, lower, upper, guess, starts or None, number of Sobol starts);
  // objectives: (space, loss, loss parameter); subsets: (rows sorted by group or None, offsets).
  RequestArguments(const py::list& laws_given, const py::list& columns, const py::object& y, const py::object& weights, const py::object& sigma,
                   const py::list& objectives, const py::list& subsets_given)
      : table(columns, y, weights, sigma), request{table.view, {}, {}, {}, -1} {
    for (auto item : subsets_given) {
      subsets.push_back(std::make_unique<SubsetArguments>(item.cast<py::tuple>(), table.view.rows));
      const int64_t groups = subsets.back()->offsets.size() - 1;
      require(request.groups < 0 || request.groups == groups, "subsets: numbers of groups differ");
      request.groups = groups;
      request.subsets.push_back(subsets.back()->subset);
    }
    request.groups = std::max<int64_t>(request.groups, 0);
    for (auto item : laws_given) {
      laws.push_back(std::make_unique<LawArguments>(item.cast<py::tuple>(), static_cast<int>(columns.size()), request.groups));
      request.laws.push_back(laws.back()->law);
    }
    for (auto item : objectives) request.objectives.push_back(objective_spec(item.cast<py::tuple>()));
  }

  // One dict a law; arrays have leading axes objectives, subsets, groups.
  py::list arrays(std::vector<FitTable>&& tables) const {
    const std::vector<py::ssize_t> axes{static_cast<py::ssize_t>(request.objectives.size()), static_cast<py::ssize_t>(request.subsets.size()),
                                        request.groups};
    py::list out;
    for (FitTable& t : tables) out.append(arrays_of(std::move(t), axes));
    return out;
  }
};

std::vector<std::vector<FitTable>> run(const std::vector<BatchRequest>& requests, const py::dict& options, const py::object& progress) {
  FitOptions settings = fit_options(options);
  Poll poll{progress};
  settings.poll = [&](int64_t done, int64_t total) { return poll(done, total); };
  std::vector<std::vector<FitTable>> tables;
  {
    py::gil_scoped_release release;
    tables = fit_batches(requests, settings);
  }
  if (poll.error) std::rethrow_exception(poll.error);
  return tables;
}

// Requests on tables of their own: tuples (laws, columns, y, weights, sigma, objectives, subsets).
py::list fit_many(const py::list& given, const py::dict& options, const py::object& progress) {
  std::vector<std::unique_ptr<RequestArguments>> arguments;
  std::vector<BatchRequest> requests;
  for (auto item : given) {
    const auto t = item.cast<py::tuple>();
    arguments.push_back(std::make_unique<RequestArguments>(t[0].cast<py::list>(), t[1].cast<py::list>(), t[2], t[3], t[4], t[5].cast<py::list>(),
                                                           t[6].cast<py::list>()));
    requests.push_back(arguments.back()->request);
  }
  std::vector<std::vector<FitTable>> tables = run(requests, options, progress);
  py::list out;
  for (size_t k = 0; k < tables.size(); ++k) out.append(arguments[k]->arrays(std::move(tables[k])));
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
  const RequestArguments arguments(laws, columns, y, weights, sigma, objectives, subsets);
  py::dict result = arguments.arrays(std::move(run({arguments.request}, options, progress)[0]))[0].cast<py::dict>();
  for (auto [name, array] : py::dict(result)) result[name] = array[py::make_tuple(0, 0)];
  return result;
}

}  // namespace

void bind_fit(py::module_& m) {
  m.def("fit", &fit_one_law);
  m.def("fit_many", &fit_many);
}

}  // namespace lawfit_module
