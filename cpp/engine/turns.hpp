// Parts of a call that workers take in turn, each fitted on its own.
#pragma once
#include <algorithm>

#include "fit.hpp"
#include "pool.hpp"

namespace lawfit {

// fit(k, options) for k in [0, count), by at most so many workers; the options have the threads that
// are left over for a part. poll() is asked by the caller's thread, as in run_workers.
template <class Fit>
void take_turns(size_t count, const FitOptions& options, int workers, const Fit& fit, const std::function<bool()>& poll, Cancellation& cancelled) {
  const int parts = static_cast<int>(std::min<size_t>(count, 1 << 20));
  FitOptions inner = options;
  inner.threads = std::max(1, options.threads / parts);
  inner.poll = nullptr;
  FitOptions callers = inner;
  if (poll) callers.poll = [&](int64_t, int64_t) { return poll(); };
  std::atomic<size_t> next{0};
  auto work = [&](int w) {
    for (size_t k = next++; k < count && !cancelled; k = next++) fit(k, w == 0 ? callers : inner);
  };
  run_workers(std::min(workers, parts), work, poll, cancelled);
}

}  // namespace lawfit
