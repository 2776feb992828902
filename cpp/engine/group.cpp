#include "group.hpp"

#include <algorithm>
#include <cstring>

namespace lawfit {

namespace {
constexpr int64_t kEmpty = -1;

// The end of splitmix64: every bit of the word moves every bit of the result.
uint64_t mixed(uint64_t word) {
  word = (word ^ (word >> 30)) * 0xbf58476d1ce4e5b9u;
  word = (word ^ (word >> 27)) * 0x94d049bb133111ebu;
  return word ^ (word >> 31);
}

uint64_t hash_bytes(const unsigned char* bytes, int64_t width) {
  uint64_t hash = 0x9e3779b97f4a7c15u;
  for (; width >= 8; bytes += 8, width -= 8) {
    uint64_t word;
    std::memcpy(&word, bytes, 8);
    hash = mixed(hash ^ word);
  }
  if (width == 0) return hash;
  uint64_t word = 0;
  std::memcpy(&word, bytes, static_cast<size_t>(width));
  return mixed(hash ^ word);
}

// Open addressing over group numbers, never more than half full.
class Table {
 public:
  explicit Table(const KeyView& keys, std::vector<int64_t>& firsts) : keys_(keys), firsts_(firsts), slots_(64, kEmpty) {}

  int64_t find_or_add(int64_t row) {
    if (2 * firsts_.size() >= slots_.size()) grow();
    const uint64_t hash = hash_bytes(key(row), keys_.width);
    for (size_t slot = hash & mask();; slot = (slot + 1) & mask()) {
      const int64_t group = slots_[slot];
      if (group == kEmpty) {
        slots_[slot] = static_cast<int64_t>(firsts_.size());
        firsts_.push_back(row);
        return slots_[slot];
      }
      if (std::memcmp(key(firsts_[group]), key(row), static_cast<size_t>(keys_.width)) == 0) return group;
    }
  }

 private:
  const unsigned char* key(int64_t row) const { return keys_.bytes + row * keys_.width; }
  size_t mask() const { return slots_.size() - 1; }
  void grow() {
    slots_.assign(4 * slots_.size(), kEmpty);
    for (size_t g = 0; g < firsts_.size(); ++g) {
      size_t slot = hash_bytes(key(firsts_[g]), keys_.width) & mask();
      while (slots_[slot] != kEmpty) slot = (slot + 1) & mask();
      slots_[slot] = static_cast<int64_t>(g);
    }
  }

  const KeyView keys_;
  std::vector<int64_t>& firsts_;
  std::vector<int64_t> slots_;
};
}  // namespace

DenseIds dense_ids(const KeyView& keys) {
  DenseIds out;
  out.ids.resize(static_cast<size_t>(keys.rows));
  Table table(keys, out.firsts);
  for (int64_t row = 0; row < keys.rows; ++row) out.ids[row] = table.find_or_add(row);
  return out;
}

GroupedRows group_rows(const int64_t* ids, int64_t rows, int64_t groups) {
  GroupedRows out;
  out.offsets.assign(static_cast<size_t>(groups) + 1, 0);
  for (int64_t r = 0; r < rows; ++r) if (ids[r] >= 0) ++out.offsets[ids[r] + 1];
  for (int64_t g = 0; g < groups; ++g) out.offsets[g + 1] += out.offsets[g];
  out.rows.resize(static_cast<size_t>(out.offsets[groups]));
  std::vector<int64_t> next(out.offsets.begin(), out.offsets.end() - 1);
  for (int64_t r = 0; r < rows; ++r) if (ids[r] >= 0) out.rows[next[ids[r]]++] = r;
  return out;
}

int64_t longest_group(const int64_t* offsets, int64_t groups) {
  int64_t longest = 1;
  for (int64_t g = 0; g < groups; ++g) longest = std::max(longest, offsets[g + 1] - offsets[g]);
  return longest;
}

}  // namespace lawfit
