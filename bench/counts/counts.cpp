// One workload, for callgrind: what measured() calls is counted.
#include <cstdio>
#include <functional>
#include <string>

#include "../engine_work.hpp"

using namespace work;

namespace {

int64_t converged(const std::vector<int8_t>& status) {
  int64_t n = 0;
  for (int8_t s : status) n += s == static_cast<int8_t>(Status::converged);
  return n;
}

}  // namespace

// Named so that callgrind's --toggle-collect finds it. Returns the number of converged fits.
extern "C" __attribute__((noinline)) int64_t measured(const std::function<int64_t()>& call) { return call(); }

int main(int count, char** arguments) {
  const std::string name = count == 2 ? arguments[1] : "";
  Groups groups;
  const laws::Table runs(240);
  int64_t good = 0;
  if (name == "W1") {
    make_curves(groups, 1000);
    good = measured([&] { return converged(fit_groups(groups, 1).status); });
  } else if (name == "W2") {
    const std::vector<double> starts = grid(15);
    good = measured([&] { return converged(fit_from_grid(runs, starts).status); });
  } else if (name == "W3") {
    const FitTable best = fit_from_grid(runs, grid(500));
    good = measured([&] { return converged(fit_resamples(runs, best.values, 200).status); });
  } else if (name == "W4") {
    make_runs(groups, 100);
    good = measured([&] { return converged(fit_groups(groups, 1).status); });
  } else {
    std::fprintf(stderr, "usage: counts W1|W2|W3|W4\n");
    return 2;
  }
  std::printf("%s: %lld fits converged\n", name.c_str(), static_cast<long long>(good));
  return good > 0 ? 0 : 1;
}
