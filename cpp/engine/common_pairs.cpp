#include "common_pairs.hpp"

#include <algorithm>
#include <cstdint>
#include <queue>
#include <tuple>
#include <unordered_map>

namespace lawfit {

namespace {
constexpr double kUniformCost = 0.05;       // of a product that is the same for all rows, in what another costs

class Joining {
 public:
  explicit Joining(PairedProducts& products) : all_(products) {}

  // Pairs that save most come first, the older ones of equal ones.
  void run() {
    for (size_t product = 0; product < all_.weights.size(); ++product)
      if (all_.weights[product] > 0) note_pairs(static_cast<int>(product), -1);
    weigh_touched();
    while (!queue_.empty()) {
      const Candidate next = queue_.top();
      queue_.pop();
      const Pair pair{-std::get<2>(next), -std::get<3>(next)};
      const Candidate now = candidate(pair);
      if (std::get<0>(now) < 0) continue;
      if (now != next) { queue_.push(now); continue; }
      const int joined = join(pair);
      const std::vector<int> places = std::move(places_[pair]);
      places_.erase(pair);
      for (int product : places) replace(product, pair, joined);
      weigh_touched();
    }
  }

 private:
  bool holds(int product, Pair pair) const {
    const std::vector<int>& factors = all_.factors[product];
    const auto first = std::find(factors.begin(), factors.end(), pair.first);
    if (first == factors.end()) return false;
    return std::find(pair.first == pair.second ? first + 1 : factors.begin(), factors.end(), pair.second) != factors.end();
  }

  using Candidate = std::tuple<double, int, int, int>;   // what it saves, both uniform?, minus the numbers
  Candidate candidate(Pair pair) {
    double all = 0, largest = 0;
    std::vector<int>& places = places_[pair];
    places.erase(std::remove_if(places.begin(), places.end(), [&](int product) { return !holds(product, pair); }), places.end());
    for (int product : places) {
      all += all_.weights[product];
      largest = std::max(largest, all_.weights[product]);
    }
    const bool both = all_.uniform[pair.first] && all_.uniform[pair.second];
    const double saved = all == 0 ? -1 : (all_.available.count(pair) ? all : all - largest) * (both ? kUniformCost : 1);
    return {saved, both, -pair.first, -pair.second};
  }

  // All pairs of a product, or only those with one factor.
  void note_pairs(int product, int with) {
    const std::vector<int>& factors = all_.factors[product];
    for (size_t i = 0; i < factors.size(); ++i)
      for (size_t k = i + 1; k < factors.size(); ++k) {
        if (with >= 0 && factors[i] != with && factors[k] != with) continue;
        const Pair pair = std::minmax(factors[i], factors[k]);
        std::vector<int>& places = places_[pair];
        if (std::find(places.begin(), places.end(), product) != places.end()) continue;
        places.push_back(product);
        touched_.push_back(pair);
      }
  }

  void weigh_touched() {
    std::sort(touched_.begin(), touched_.end());
    touched_.erase(std::unique(touched_.begin(), touched_.end()), touched_.end());
    for (Pair pair : touched_) queue_.push(candidate(pair));
    touched_.clear();
  }

  int join(Pair pair) {
    if (const auto own = all_.available.find(pair); own != all_.available.end()) return own->second;
    all_.made.push_back(pair);
    all_.uniform.push_back(all_.uniform[pair.first] && all_.uniform[pair.second]);
    return static_cast<int>(all_.uniform.size()) - 1;
  }

  void replace(int product, Pair pair, int joined) {
    std::vector<int>& factors = all_.factors[product];
    const size_t before = factors.size();
    while (holds(product, pair)) {
      factors.erase(std::find(factors.begin(), factors.end(), pair.first));
      factors.erase(std::find(factors.begin(), factors.end(), pair.second));
      factors.push_back(joined);
    }
    if (factors.size() != before) note_pairs(product, joined);
  }

  PairedProducts& all_;
  struct Hash { size_t operator()(Pair pair) const { return std::hash<int64_t>()(int64_t{pair.first} << 32 | pair.second); } };
  std::unordered_map<Pair, std::vector<int>, Hash> places_;   // the products that had a pair
  std::vector<Pair> touched_;                 // since they were weighed last
  std::priority_queue<Candidate> queue_;
};
}  // namespace

void join_pairs(PairedProducts& products) { Joining(products).run(); }

}  // namespace lawfit
