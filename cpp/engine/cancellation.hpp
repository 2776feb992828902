// Whether a call is to stop. All of its workers ask; the calling thread is one of them, and what it
// asks between two pieces of work is also when signals and progress are seen to.
#pragma once
#include <atomic>
#include <functional>
#include <limits>
#include <thread>

#include "clock.hpp"

namespace lawfit {

constexpr double kPollSeconds = 0.05;

class Cancellation {
 public:
  operator bool() {
    look();
    return cancelled();
  }
  // The same for who asks after every little piece of work: the clock is read once in many rows.
  bool after(int64_t rows) {
    constexpr int64_t kRowsBetweenLooks = 1 << 15;
    if (mine() && (rows_ += rows) >= kRowsBetweenLooks) look();
    return cancelled();
  }
  bool cancelled() const { return cancelled_.load(std::memory_order_relaxed); }   // without polling
  void cancel() { cancelled_.store(true); }
  // Polls where it is this thread's to do, and when it is time to.
  void look() {
    if (!mine()) return;
    rows_ = 0;
    const double now = now_seconds();
    if (now - polled_ < kPollSeconds || cancelled()) return;
    polled_ = std::numeric_limits<double>::infinity();   // a poll may itself ask
    if (!(*poll_)()) cancel();
    polled_ = now_seconds();
  }

  // For as long as this lives the thread that made it calls `poll` (false: cancel) when it asks, as
  // often as every kPollSeconds. An empty one, or one inside another, leaves things as they are.
  class Polling {
   public:
    Polling(Cancellation& of, const std::function<bool()>& poll) : of_(of), first_(poll && !of.mine()) {
      if (!first_) return;
      of.poll_ = &poll;
      of.caller_ = std::this_thread::get_id();
    }
    ~Polling() {
      if (first_) of_.caller_ = {};
    }
    Polling(const Polling&) = delete;
    Polling& operator=(const Polling&) = delete;

   private:
    Cancellation& of_;
    const bool first_;
  };

 private:
  bool mine() const { return caller_ == std::this_thread::get_id(); }

  std::atomic<bool> cancelled_{false};
  const std::function<bool()>* poll_ = nullptr;   // with what follows only the calling thread's
  std::thread::id caller_;                        // none's while nobody polls
  double polled_ = now_seconds();
  int64_t rows_ = 0;
};

}  // namespace lawfit
