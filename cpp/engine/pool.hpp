// Workers for one call: plain threads, joined before the call returns. The calling thread polls
// (signals, progress) while they run, so an interrupt is seen within a poll interval.
#pragma once
#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

namespace lawfit {

constexpr auto kPollInterval = std::chrono::milliseconds(50);

// work(w) is called once per worker; poll() returns false to ask for cancellation.
template <class Work>
void run_workers(int workers, bool inline_is_enough, const Work& work, const std::function<bool()>& poll, std::atomic<bool>& cancelled) {
  if (inline_is_enough) { work(0); return; }
  std::mutex mutex;
  std::condition_variable finished;
  int running = workers;
  std::vector<std::thread> threads;
  threads.reserve(workers);
  for (int w = 0; w < workers; ++w)
    threads.emplace_back([&, w] {
      work(w);
      std::lock_guard<std::mutex> lock(mutex);
      if (--running == 0) finished.notify_one();
    });
  {
    std::unique_lock<std::mutex> lock(mutex);
    while (!finished.wait_for(lock, kPollInterval, [&] { return running == 0; })) {
      lock.unlock();
      if (poll && !poll()) cancelled.store(true);
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
  std::atomic<bool> cancelled{false};   // nobody asks: parts are short
  run_workers(used, used == 1, [&](int w) { work(w, edge(w), edge(w + 1)); }, nullptr, cancelled);
}

}  // namespace lawfit
