#include "../engine/standard_errors.hpp"

#include "arguments.hpp"
#include "bindings.hpp"

namespace lawfit_module {

namespace {
py::array errors_of_jobs(const py::tuple& graph, const py::list& columns, const Doubles& y, const py::object& weights, const py::object& sigma,
                         const std::string& space, const std::string& loss, double loss_parameter, const Doubles& parameters,
                         const Int8s& active, const Int64s& begin, const Int64s& count, const std::string& kind, bool absolute, int threads) {
  TableArguments table(columns, y, weights, sigma);
  require(parameters.ndim() == 2 && active.ndim() == 2, "params: expected two dimensions");
  require(kind == "jacobian" || kind == "sandwich", "kind: expected 'jacobian' or 'sandwich'");
  const auto jobs = parameters.shape(0), p = parameters.shape(1);
  require(active.shape(0) == jobs && active.shape(1) == p && begin.size() == jobs && count.size() == jobs, "jobs: lengths differ");
  for (py::ssize_t j = 0; j < jobs; ++j)
    require(begin.data()[j] >= 0 && count.data()[j] >= 0 && begin.data()[j] + count.data()[j] <= table.view.rows, "rows: outside the table");
  GraphArguments arguments(graph, static_cast<int>(p), static_cast<int>(columns.size()));
  const ErrorJobs request{parameters.data(), active.data(), begin.data(), count.data(), jobs, kind == "jacobian" ? CovarianceKind::jacobian : CovarianceKind::sandwich, absolute};
  std::vector<double> out(static_cast<size_t>(jobs * p));
  Poll poll{py::none()};
  {
    py::gil_scoped_release release;
    const std::vector<double> low(static_cast<size_t>(p), -infinity), high(static_cast<size_t>(p), infinity);
    CompiledLaw law(arguments.view, table.view, low, high);
    standard_errors(law, table.view, objective_spec(space, loss, loss_parameter), request, static_cast<int>(columns.size()), threads,
                    [&] { return poll(0, 0); }, out.data());
  }
  if (poll.error) std::rethrow_exception(poll.error);
  return to_numpy(std::move(out), {jobs, p});
}
}  // namespace

void bind_standard_errors(py::module_& m) { m.def("standard_errors", &errors_of_jobs); }

}  // namespace lawfit_module
