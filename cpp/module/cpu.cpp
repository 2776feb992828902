// Which CPU levels this machine can run, read from CPUID and XGETBV directly: the compilers'
// own helpers do not all check that the operating system saves the wide registers.
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <cstdint>
#include <string>
#include <vector>

#if defined(__x86_64__)
#include <cpuid.h>
#endif

namespace {

#if defined(__x86_64__)
struct Registers { uint32_t a = 0, b = 0, c = 0, d = 0; };

Registers cpuid(uint32_t leaf) {
  Registers r;
  if (!__get_cpuid_count(leaf, 0, &r.a, &r.b, &r.c, &r.d)) return {};
  return r;
}

uint64_t saved_state() {
  uint32_t low, high;
  __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  return (uint64_t{high} << 32) | low;
}

constexpr uint32_t bit(int n) { return uint32_t{1} << n; }
bool all_of(uint32_t word, uint32_t bits) { return (word & bits) == bits; }
#endif

// Best first. "base" is plain x86-64 or whatever the platform's baseline is.
std::vector<std::string> supported_levels() {
  std::vector<std::string> levels;
#if defined(__x86_64__)
  constexpr uint32_t kFma = bit(12), kMovbe = bit(22), kXsave = bit(27), kAvx = bit(28), kF16c = bit(29);
  constexpr uint32_t kBmi1 = bit(3), kAvx2 = bit(5), kBmi2 = bit(8);
  constexpr uint32_t kAvx512f = bit(16), kAvx512dq = bit(17), kAvx512cd = bit(28), kAvx512bw = bit(30), kAvx512vl = bit(31);
  constexpr uint64_t kWideState = 0x6, kMaskState = 0xE0;
  const Registers basic = cpuid(1), extended = cpuid(7);
  const bool wide = all_of(basic.c, kXsave | kAvx) && (saved_state() & kWideState) == kWideState;
  const bool v3 = wide && all_of(basic.c, kFma | kMovbe | kF16c) && all_of(extended.b, kBmi1 | kAvx2 | kBmi2);
  const bool v4 = v3 && (saved_state() & kMaskState) == kMaskState &&
                  all_of(extended.b, kAvx512f | kAvx512dq | kAvx512cd | kAvx512bw | kAvx512vl);
  if (v4) levels.push_back("v4");
  if (v3) levels.push_back("v3");
#endif
  levels.push_back("base");
  return levels;
}

}  // namespace

PYBIND11_MODULE(_cpu, m, pybind11::mod_gil_not_used()) {
  m.doc() = "CPU levels this machine can run";
  m.def("supported_levels", &supported_levels);
}
