// Group keys: bytes, or Python objects as a dict would tell them apart.
#include "../engine/group.hpp"

#include "bindings.hpp"

namespace lawfit_module {

using namespace lawfit;

namespace {
using Bytes = py::array_t<uint8_t, py::array::c_style>;

py::tuple dense_ids_of_bytes(const Bytes& keys) {
  require(keys.ndim() == 2, "keys: expected (rows, bytes)");
  const KeyView view{keys.data(), keys.shape(0), keys.shape(1)};
  DenseIds out;
  {
    py::gil_scoped_release release;
    out = dense_ids(view);
  }
  const auto rows = static_cast<py::ssize_t>(out.ids.size()), groups = static_cast<py::ssize_t>(out.firsts.size());
  return py::make_tuple(to_numpy(std::move(out.ids), {rows}), to_numpy(std::move(out.firsts), {groups}));
}

// None, NaN, and what dataframes put in their place.
bool is_missing(PyObject* cell) {
  if (cell == Py_None) return true;
  if (PyFloat_Check(cell)) return PyFloat_AS_DOUBLE(cell) != PyFloat_AS_DOUBLE(cell);
  const std::string name = Py_TYPE(cell)->tp_name;
  return name == "NAType" || name == "NaTType" || name.find(".NAType") != std::string::npos || name.find(".NaTType") != std::string::npos;
}

py::tuple dense_ids_of_objects(const py::sequence& cells) {
  const py::object fast = py::reinterpret_steal<py::object>(PySequence_Fast(cells.ptr(), "keys: expected a sequence"));
  if (!fast) throw py::error_already_set();
  const py::ssize_t rows = PySequence_Fast_GET_SIZE(fast.ptr());
  std::vector<int64_t> ids(static_cast<size_t>(rows), -1), firsts;
  py::dict seen;
  for (py::ssize_t row = 0; row < rows; ++row) {
    PyObject* cell = PySequence_Fast_GET_ITEM(fast.ptr(), row);
    PyObject* known = PyDict_GetItemWithError(seen.ptr(), cell);
    if (known) {
      ids[row] = PyLong_AsLongLong(known);
      continue;
    }
    if (PyErr_Occurred()) throw py::error_already_set();
    const bool missing = !PyUnicode_CheckExact(cell) && is_missing(cell);
    if (!missing) {
      ids[row] = static_cast<int64_t>(firsts.size());
      firsts.push_back(row);
    }
    const py::int_ id(ids[row]);
    if (PyDict_SetItem(seen.ptr(), cell, id.ptr()) != 0) throw py::error_already_set();
  }
  const auto groups = static_cast<py::ssize_t>(firsts.size());
  return py::make_tuple(to_numpy(std::move(ids), {rows}), to_numpy(std::move(firsts), {groups}));
}

py::tuple sorted_rows(const Int64s& ids, int64_t groups) {
  require(ids.ndim() == 1, "ids: expected one dimension");
  require(groups >= 0, "groups: must not be negative");
  for (py::ssize_t r = 0; r < ids.size(); ++r)
    require(ids.data()[r] >= -1 && ids.data()[r] < groups, "ids: outside -1 .. groups - 1");
  GroupedRows out;
  {
    py::gil_scoped_release release;
    out = group_rows(ids.data(), ids.size(), groups);
  }
  const auto rows = static_cast<py::ssize_t>(out.rows.size());
  return py::make_tuple(to_numpy(std::move(out.rows), {rows}), to_numpy(std::move(out.offsets), {groups + 1}));
}
}  // namespace

void bind_group(py::module_& m) {
  m.def("dense_ids", &dense_ids_of_bytes);
  m.def("dense_objects", &dense_ids_of_objects);
  m.def("group_rows", &sorted_rows);
}

}  // namespace lawfit_module
