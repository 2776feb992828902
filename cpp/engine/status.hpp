// The closed list of outcomes of a fit.
#pragma once
#include <cstdint>

namespace lawfit {

enum class Status : int8_t {
#define STATUS(name, sentence) name,
#include "status.def"
#undef STATUS
};

}  // namespace lawfit
