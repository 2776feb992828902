// Workers for one call: the calling thread and others beside it, joined before the call returns.
// Small work is done by the calling thread alone, which costs nothing to start.
#pragma once
#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <vector>

#include "cancellation.hpp"

namespace lawfit {

// work(w) is called once per worker and asks `cancelled` between its pieces, and so that the calling
// thread gets to poll() now and then: false asks for cancellation. Workers that are not the caller of
// the whole must have an empty poll.
template <class Work> void run_workers(int workers, const Work& work, const std::function<bool()>& poll, Cancellation& cancelled) {
  const Cancellation::Polling polling(cancelled, poll);
  if (workers <= 1) { work(0); return; }
  std::mutex mutex;
  std::condition_variable finished;
  int running = workers - 1;
  std::vector<std::thread> threads;
  threads.reserve(workers - 1);
  for (int w = 1; w < workers; ++w)
    threads.emplace_back([&, w] {
      work(w);
      std::lock_guard<std::mutex> lock(mutex);
      if (--running == 0) finished.notify_one();
    });
  work(0);
  {
    std::unique_lock<std::mutex> lock(mutex);
    while (!finished.wait_for(lock, std::chrono::duration<double>(kPollSeconds), [&] { return running == 0; })) {
      lock.unlock();
      cancelled.look();
      lock.lock();
    }
  }
  for (auto& t : threads) t.join();
}

// How many of the workers share_range() has a part for.
inline int range_workers(int64_t count, int64_t step, int workers) {
  return static_cast<int>(std::clamp<int64_t>((count + step - 1) / step, 1, std::max(workers, 1)));
}
// Cuts [0, count) into adjacent parts of multiples of `step`, one a worker: work(worker, begin, end).
template <class Work> void share_range(int64_t count, int64_t step, int workers, const Work& work) {
  const int64_t steps = (count + step - 1) / step;
  const int used = range_workers(count, step, workers);
  const auto edge = [&](int w) { return std::min(count, steps * w / used * step); };
  Cancellation never;   // parts are short
  run_workers(used, [&](int w) { work(w, edge(w), edge(w + 1)); }, nullptr, never);
}

}  // namespace lawfit
