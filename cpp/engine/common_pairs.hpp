// Products as lists of numbered factors: the pairs that most of them have in common are multiplied
// once, again and again, until each product is one number.
#pragma once
#include <map>
#include <utility>
#include <vector>

namespace lawfit {

using Pair = std::pair<int, int>;           // the smaller number first

struct PairedProducts {
  std::vector<std::vector<int>> factors;    // per product; of those that are needed one is left
  std::vector<double> weights;              // per product: how often it is computed; 0: it is not needed
  std::map<Pair, int> available;            // pairs that are computed anyway, and their number
  std::vector<char> uniform;                // per number: is it the same for all rows?
  std::vector<Pair> made;                   // pairs that got the numbers after those in `uniform` at first
};
void join_pairs(PairedProducts& products);

}  // namespace lawfit
