// What is asked of many fits afterwards: objectives on other rows, standard errors.
#include "../engine/row_jobs.hpp"

#include "arguments.hpp"
#include "bindings.hpp"

namespace lawfit_module {

namespace {
// A law at many parameter vectors [jobs, parameters], each on `count` rows from `begin` on.
struct JobArguments {
  TableArguments table;
  Doubles parameters;
  Int64s begin, count;
  py::ssize_t jobs, size;
  GraphArguments graph;
  Poll poll{py::none()};
  std::vector<LossNumbers> numbers;
  RowJobs request;

  JobArguments(const py::tuple& graph_in, const py::list& columns, const Doubles& y, const py::object& weights, const py::object& sigma,
               const Doubles& parameters_in, const Int64s& begin_in, const Int64s& count_in, int threads, const py::object& numbers_in)
      : table(columns, y, weights, sigma), parameters(checked(parameters_in)), begin(begin_in), count(count_in), jobs(parameters.shape(0)),
        size(parameters.shape(1)), graph(graph_in, static_cast<int>(size), static_cast<int>(columns.size())) {
    require(begin.size() == jobs && count.size() == jobs, "jobs: lengths differ");
    for (py::ssize_t j = 0; j < jobs; ++j)
      require(begin.data()[j] >= 0 && count.data()[j] >= 0 && begin.data()[j] + count.data()[j] <= table.view.rows, "rows: outside the table");
    numbers = loss_numbers(numbers_in, jobs);
    request = {parameters.data(), begin.data(), count.data(), jobs, static_cast<int>(columns.size()), data_or_null(numbers), threads, [this] { return poll(0, 0); }};
  }

  template <class Run> void run(const Run& work) {
    {
      py::gil_scoped_release release;
      const std::vector<double> low(static_cast<size_t>(size), -infinity), high(static_cast<size_t>(size), infinity);
      work(CompiledLaw(graph.view, table.view, low, high));
    }
    if (poll.error) std::rethrow_exception(poll.error);
  }

 private:
  static const Doubles& checked(const Doubles& parameters) {
    require(parameters.ndim() == 2, "params: expected two dimensions");
    return parameters;
  }
};

py::array objectives_of(const py::tuple& graph, const py::list& columns, const Doubles& y, const py::object& weights, const py::object& sigma,
                        const std::string& space, const std::string& loss, const py::object& loss_numbers, const Doubles& parameters,
                        const Int64s& begin, const Int64s& count, int threads, const py::object& numbers) {
  JobArguments jobs(graph, columns, y, weights, sigma, parameters, begin, count, threads, numbers);
  const ObjectiveSpec spec = objective_spec(space, loss, loss_numbers);
  std::vector<double> out(static_cast<size_t>(jobs.jobs));
  jobs.run([&](const CompiledLaw& law) { objectives(law, jobs.table.view, spec, jobs.request, out.data()); });
  return to_numpy(std::move(out), {jobs.jobs});
}

// Standard errors of the parameters, and of the loss's estimated numbers (scale, tail; NaN where not).
py::tuple errors_of(const py::tuple& graph, const py::list& columns, const Doubles& y, const py::object& weights, const py::object& sigma,
                    const std::string& space, const std::string& loss, const py::object& loss_numbers, const Doubles& parameters,
                    const Int64s& begin, const Int64s& count, int threads, const Int8s& active, const std::string& kind, bool absolute,
                    const py::object& numbers) {
  JobArguments jobs(graph, columns, y, weights, sigma, parameters, begin, count, threads, numbers);
  require(kind == "jacobian" || kind == "hessian" || kind == "sandwich", "kind: expected 'jacobian', 'hessian' or 'sandwich'");
  require(active.size() == jobs.jobs * jobs.size, "active: lengths differ");
  const CovarianceKind which = kind == "jacobian" ? CovarianceKind::jacobian : kind == "hessian" ? CovarianceKind::hessian : CovarianceKind::sandwich;
  const ObjectiveSpec spec = objective_spec(space, loss, loss_numbers);
  std::vector<double> out(static_cast<size_t>(jobs.jobs * jobs.size)), of_numbers(static_cast<size_t>(jobs.jobs * kMostNuisance));
  jobs.run([&](const CompiledLaw& law) {
    standard_errors(law, jobs.table.view, spec, jobs.request, active.data(), which, absolute, out.data(), of_numbers.data());
  });
  return py::make_tuple(to_numpy(std::move(out), {jobs.jobs, jobs.size}), to_numpy(std::move(of_numbers), {jobs.jobs, kMostNuisance}));
}
}  // namespace

void bind_row_jobs(py::module_& m) {
  m.def("objectives", &objectives_of, py::arg("graph"), py::arg("columns"), py::arg("y"), py::arg("weights"), py::arg("sigma"), py::arg("space"),
        py::arg("loss"), py::arg("loss_numbers"), py::arg("params"), py::arg("begin"), py::arg("count"), py::arg("threads"),
        py::arg("numbers") = py::none());
  m.def("standard_errors", &errors_of, py::arg("graph"), py::arg("columns"), py::arg("y"), py::arg("weights"), py::arg("sigma"), py::arg("space"),
        py::arg("loss"), py::arg("loss_numbers"), py::arg("params"), py::arg("begin"), py::arg("count"), py::arg("threads"), py::arg("active"),
        py::arg("kind"), py::arg("absolute"), py::arg("numbers") = py::none());
}

}  // namespace lawfit_module
