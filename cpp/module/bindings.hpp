// Parts of the module that live in files of their own.
#pragma once
#include "numpy.hpp"

namespace lawfit_module {

void bind_fit(py::module_& m);
void bind_group(py::module_& m);
void bind_profile(py::module_& m);
void bind_row_jobs(py::module_& m);
void bind_shared(py::module_& m);
void bind_uncertainty(py::module_& m);

}  // namespace lawfit_module
