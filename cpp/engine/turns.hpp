// Parts of a call that workers take in turn, each fitted on its own.
#pragma once
#include <algorithm>

#include "fit.hpp"
#include "pool.hpp"

namespace lawfit {

// fit(k, options) for k in [0, count); its options have the threads that are left over for a part,
// and no progress. poll() is asked by the caller's thread, as in run_workers.
template <class Fit>
void take_turns(size_t count, const FitOptions& options, bool inline_is_enough, const Fit& fit, const std::function<bool()>& poll,
                std::atomic<bool>& cancelled) {
  const int parts = static_cast<int>(std::min<size_t>(count, 1 << 20));
  FitOptions inner = options;
  inner.threads = std::max(1, options.threads / parts);
  inner.poll = nullptr;
  std::atomic<size_t> next{0};
  auto work = [&](int) {
    for (size_t k = next++; k < count && !cancelled; k = next++) fit(k, inner);
  };
  run_workers(std::min(options.threads, parts), inline_is_enough, work, poll, cancelled);
}

}  // namespace lawfit
