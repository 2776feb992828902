#include "batches.hpp"

#include "clock.hpp"
#include "turns.hpp"

namespace lawfit {

namespace {
constexpr int64_t kLargeRows = 1 << 17;   // rows to fit that keep every worker busy on their own

int64_t fits_of(const BatchRequest& request) {
  return static_cast<int64_t>(request.laws.size() * request.objectives.size() * request.subsets.size()) * request.groups;
}

int64_t rows_of(const BatchRequest& request) {
  int64_t rows = 0;
  for (const Subset& subset : request.subsets) rows += subset.offsets[request.groups];
  return rows * static_cast<int64_t>(request.laws.size() * request.objectives.size());
}

// Large batches share their own fits among all workers, one batch after the other; small ones are
// taken by the workers side by side.
class Batches {
 public:
  Batches(const std::vector<BatchRequest>& requests, const FitOptions& options)
      : requests_(requests), options_(options), tables_(requests.size()) {
    if (options.max_seconds > 0) options_.limits.deadline = now_seconds() + options.max_seconds;
    options_.max_seconds = 0;
    for (const BatchRequest& request : requests) fits_ += fits_of(request);
  }

  std::vector<std::vector<FitTable>> run() {
    std::vector<size_t> small;
    for (size_t k = 0; k < requests_.size(); ++k) {
      if (rows_of(requests_[k]) < kLargeRows) small.push_back(k);
      else fit_large(k);
    }
    fit_small(small);
    return std::move(tables_);
  }

 private:
  bool poll(int64_t done) {
    if (options_.poll && !options_.poll(done, fits_)) cancelled_.cancel();
    return !cancelled_;
  }

  void fit_large(size_t k) {
    if (cancelled_) return;
    FitOptions options = options_;
    options.poll = [this](int64_t done, int64_t) { return poll(done_ + done); };
    tables_[k] = fit_batch(requests_[k], options);
    done_ += fits_of(requests_[k]);
  }

  void fit_small(const std::vector<size_t>& small) {
    if (small.empty()) return;
    const auto fit_one = [&](size_t k, const FitOptions& inner) {
      tables_[small[k]] = fit_batch(requests_[small[k]], inner);
      done_ += fits_of(requests_[small[k]]);
    };
    take_turns(small.size(), options_, options_.threads, fit_one, [&] { return poll(done_); }, cancelled_);
  }

  const std::vector<BatchRequest>& requests_;
  FitOptions options_;
  std::vector<std::vector<FitTable>> tables_;
  int64_t fits_ = 0;
  std::atomic<int64_t> done_{0};
  Cancellation cancelled_;
};
}  // namespace

std::vector<std::vector<FitTable>> fit_batches(const std::vector<BatchRequest>& requests, const FitOptions& options) {
  if (requests.size() != 1) return Batches(requests, options).run();
  std::vector<std::vector<FitTable>> tables;
  tables.push_back(fit_batch(requests[0], options));
  return tables;
}

}  // namespace lawfit
