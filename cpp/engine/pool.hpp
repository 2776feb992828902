// Workers for one call: plain threads, joined before the call returns. The calling thread polls
// (signals, progress) while they run, so an interrupt is seen within a poll interval.
#pragma once
#include <atomic>
#include <chrono>
#include <condition_variable>
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

}  // namespace lawfit
