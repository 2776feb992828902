// Keys of any fixed width -> dense group ids -> rows sorted by group.
#pragma once
#include <cstdint>
#include <vector>

namespace lawfit {

struct KeyView {
  const unsigned char* bytes;   // rows x width, row after row
  int64_t rows, width;
};

struct DenseIds {
  std::vector<int64_t> ids;      // one a row, counted in order of first appearance
  std::vector<int64_t> firsts;   // one a group: its first row
};

// Keys are equal when their bytes are.
DenseIds dense_ids(const KeyView& keys);

struct GroupedRows {
  std::vector<int64_t> rows;      // row numbers, group after group, each in ascending order
  std::vector<int64_t> offsets;   // groups + 1, into `rows`
};

// Counting sort; rows with id -1 are left out. Every id must be below `groups`.
GroupedRows group_rows(const int64_t* ids, int64_t rows, int64_t groups);

// Rows of the largest group, at least one.
int64_t longest_group(const int64_t* offsets, int64_t groups);

}  // namespace lawfit
