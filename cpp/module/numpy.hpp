// The one header that includes pybind11, and the few conversions the module needs.
#pragma once
#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <string>
#include <vector>

namespace lawfit_module {

namespace py = pybind11;
using Doubles = py::array_t<double, py::array::c_style | py::array::forcecast>;
using Int32s = py::array_t<int32_t, py::array::c_style | py::array::forcecast>;
using Int64s = py::array_t<int64_t, py::array::c_style | py::array::forcecast>;
using Int8s = py::array_t<int8_t, py::array::c_style | py::array::forcecast>;

// Hands a vector's memory to NumPy without a copy.
template <class T> py::array to_numpy(std::vector<T>&& values, std::vector<py::ssize_t> shape) {
  auto* owned = new std::vector<T>(std::move(values));
  py::capsule release(owned, [](void* p) { delete static_cast<std::vector<T>*>(p); });
  return py::array(py::dtype::of<T>(), shape, owned->data(), release);
}

inline std::vector<double> to_vector(const Doubles& array) { return {array.data(), array.data() + array.size()}; }

inline void require(bool condition, const std::string& message) {
  if (!condition) throw py::value_error(message);
}

}  // namespace lawfit_module
