#include "evaluate.hpp"

#include <algorithm>
#include <cstdint>

namespace lawfit {

Arena::Arena(size_t vectors) : memory_(new double[(vectors + 1) * W]()) {
  auto address = reinterpret_cast<uintptr_t>(memory_.get());
  const uintptr_t align = sizeof(V);
  next_ = memory_.get() + ((align - address % align) % align) / sizeof(double);
  end_ = memory_.get() + (vectors + 1) * W;
}
double* Arena::take(size_t vectors) {
  double* piece = next_;
  next_ += vectors * W;
  return next_ <= end_ ? piece : nullptr;
}

namespace {
// What no parameter enters, block by block, so that what is not kept stays in the cache.
std::vector<std::vector<double>> kept_columns(const Program& program, const double* const* variables, int64_t rows) {
  constexpr int64_t kBlock = 512;
  const int64_t block = std::min<int64_t>(kBlock, (rows + W - 1) / W * W);
  std::vector<double> registers(static_cast<size_t>(program.data_registers * block));
  const auto at = [&](int index) { return registers.data() + index * block; };
  for (auto [column, value] : program.data_constants) std::fill_n(at(column), block, value);
  std::vector<std::vector<double>> kept(program.kept.size());
  for (auto& column : kept) column.reserve(static_cast<size_t>(rows));
  for (int64_t first = 0; first < rows; first += block) {
    const int64_t count = std::min(block, rows - first), vectors = (count + W - 1) / W;
    for (auto [column, variable] : program.inputs) {
      std::copy_n(variables[variable] + first, count, at(column));
      std::fill(at(column) + count, at(column) + vectors * W, variables[variable][first]);
    }
    for (const Instruction& i : program.data) {
      const auto operand = [&](Slot s) { return at(s.kind == Slot::none ? i.out.index : s.index); };
      kernel(i.op, false, false, false)(at(i.out.index), operand(i.a), operand(i.b), operand(i.c), static_cast<int>(vectors));
    }
    for (size_t k = 0; k < kept.size(); ++k) kept[k].insert(kept[k].end(), at(program.kept[k]), at(program.kept[k]) + count);
  }
  return kept;
}
}  // namespace

TableData prepare_table(const Program& program, const double* const* variables, const double* y, const double* weight,
                        const double* sigma, int64_t rows, Space space) {
  TableData table;
  table.rows = rows;
  table.columns = kept_columns(program, variables, rows);
  if (!y) return table;
  table.target.assign(y, y + rows);
  if (space == Space::log || space == Space::logit) for (double& t : table.target) t = space_transform(space, t);
  if (weight) table.weight.assign(weight, weight + rows);
  if (sigma || space == Space::relative) {
    table.inverse_sigma.resize(rows);
    for (int64_t r = 0; r < rows; ++r)
      table.inverse_sigma[r] = 1 / ((sigma ? sigma[r] : 1) * (space == Space::relative ? y[r] : 1));
  }
  return table;
}

namespace {
// Block registers should not fill the second-level cache; short blocks cost more in calls than long ones
// in loads from there.
int block_points(const Program& program, int64_t rows) {
  constexpr int kCacheBytes = 96 * 1024, kFewest = 4, kMost = 32;
  const int width = (program.blocks + 4) * W * static_cast<int>(sizeof(double));
  const int fit = std::clamp(kCacheBytes / width, kFewest, kMost * 8 / W);
  return static_cast<int>(std::min<int64_t>(fit, std::max<int64_t>(rows, 1)));
}
}  // namespace

Evaluator::Evaluator(const Program& program, Space space, Loss loss, int64_t capacity, bool weighted, bool with_sigma, Layout layout)
    : program_(program), layout_(layout),
      tile_rows_(layout == Layout::points ? (capacity + W - 1) / W : capacity),
      block_(block_points(program, tile_rows_)),
      value_only_(objective_kernel(space, loss, Terms::value)), sloped_(objective_kernel(space, loss, Terms::slope)),
      curved_(objective_kernel(space, loss, Terms::curvature)), linearised_(linearised_kernel(space, loss)),
      arena_(program.uniforms + (program.blocks + 3) * static_cast<size_t>(block_) + 1 +
             (program.kept.size() + 3) * static_cast<size_t>(tile_rows_) + program.hessian.size() + linear_entries()),
      weighted_(weighted), with_sigma_(with_sigma), means_(program.kept.size() * W, 0.0) {
  uniform_ = arena_.take(program.uniforms);
  registers_ = arena_.take(static_cast<size_t>(program.blocks) * block_);
  slope_ = arena_.take(block_);
  majoriser_ = arena_.take(block_);
  curvature_ = arena_.take(block_);
  ones_ = arena_.take(1);
  columns_ = arena_.take(program.kept.size() * tile_rows_);
  target_ = arena_.take(tile_rows_);
  inverse_sigma_ = with_sigma ? arena_.take(tile_rows_) : ones_;
  weight_ = weighted ? arena_.take(tile_rows_) : ones_;
  store(ones_, broadcast(1.0));
  for (auto [index, value] : program.constants) store(uniform_ + index * W, broadcast(value));
  for (const Instruction& i : program.once) once_.push_back(resolve(i, true));
  for (const Instruction& i : program.points) points_.push_back(resolve(i, false));
  value_ = locate(program.value);
  for (Slot s : program.jacobian) jacobian_.push_back(locate(s));
  for (const HessianEntry& h : program.hessian) hessian_.push_back(locate(h.slot));
  drawn_.reserve(weighted ? static_cast<size_t>(capacity) : 0);
  columns_now_.resize(program.parameters + program.hessian.size());
  hessian_sums_ = arena_.take_vectors(program.hessian.size());
  linear_sums_ = arena_.take_vectors(linear_entries());
}

const double* Evaluator::address(Slot slot, int& column) const {
  column = 0;
  switch (slot.kind) {
    case Slot::uniform: return uniform_ + slot.index * W;
    case Slot::block: return registers_ + static_cast<size_t>(slot.index) * block_ * W;
    case Slot::column: column = 1; return columns_ + slot.index * tile_rows_ * W;
    default: return ones_;
  }
}

Evaluator::Call Evaluator::resolve(const Instruction& i, bool once) {
  Call call{};
  auto uniform = [&](Slot s) { return !once && (s.kind == Slot::uniform || s.kind == Slot::none); };
  call.run = kernel(i.op, uniform(i.a), uniform(i.b), uniform(i.c));
  int unused;
  call.out = const_cast<double*>(address(i.out, unused));
  call.a = address(i.a, call.column_a);
  call.b = address(i.b, call.column_b);
  call.c = address(i.c, call.column_c);
  return call;
}

Evaluator::Column Evaluator::locate(Slot slot) const {
  static const V zero = {};
  if (slot.kind == Slot::none) return {reinterpret_cast<const double*>(&zero), 0, false};
  int moves;
  const double* base = address(slot, moves);
  return {base, slot.kind == Slot::uniform ? 0 : W, moves != 0};
}

void Evaluator::fill(double* tile, int lane, const double* source, const std::vector<int32_t>* drawn, int64_t used, double shift) {
  const auto copy = [&](auto value) {
    if (layout_ == Layout::points) for (int64_t r = 0; r < used; ++r) tile[r] = value(r);
    else for (int64_t r = 0; r < used; ++r) tile[r * W + lane] = value(r);
  };
  if (!drawn) return copy([&](int64_t r) { return source[r] - shift; });
  const int32_t* row = drawn->data();
  copy([&](int64_t r) { return source[row[r]] - shift; });
}

void Evaluator::pad(double* tile, int lane, int64_t from, double value) {
  if (layout_ == Layout::points) std::fill(tile + from, tile + tile_rows_ * W, value);
  else if (weighted_) for (int64_t r = from; r < tile_rows_; ++r) tile[r * W + lane] = value;
}

namespace {
double mean_of(const double* values, int64_t count) {
  double sums[4] = {};   // side by side, or each addition would wait for the last
  int64_t r = 0;
  for (; r + 4 <= count; r += 4) for (int k = 0; k < 4; ++k) sums[k] += values[r + k];
  for (; r < count; ++r) sums[0] += values[r];
  return ((sums[0] + sums[1]) + (sums[2] + sums[3])) / static_cast<double>(count);
}
}  // namespace

void Evaluator::hold(int lane, const TableData& table, int64_t begin, int64_t count, const std::vector<int32_t>* drawn, const double* weight,
                     double* means, const double* target) {
  Held& held = held_[lane];
  const int64_t used = drawn ? static_cast<int64_t>(drawn->size()) : count;
  const bool same_range = held.table == &table && held.version == table.version && held.begin == begin && held.count == count;
  const bool same_rows = same_range && !drawn && held.used == count;
  // Rows of the same range that are left from before are as good as any to pad with.
  auto load_tile = [&](double* tile, const double* source, double shift) {
    fill(tile, lane, source, drawn, used, shift);
    if (!same_range) pad(tile, lane, used, source[0] - shift);
  };
  if (!same_rows) {
    for (size_t k = 0; k < program_.kept.size(); ++k) {
      const double* source = table.columns[k].data() + begin;
      double& mean = means_[k * W + lane];
      if (!same_range) {
        mean = program_.centre_of[k] < 0 ? 0 : mean_of(source, count);
        if (!(mean - mean == 0)) mean = 0;   // a column with infinities is left where it is
      }
      load_tile(columns_ + k * tile_rows_ * W, source, mean);
    }
    if (with_sigma_) load_tile(inverse_sigma_, table.inverse_sigma.data() + begin, 0);
  }
  if (!same_rows || held.target != target || target) load_tile(target_, target ? target : table.target.data() + begin, 0);
  if (weighted_ && (!same_rows || held.weight != weight || weight)) {
    const double* source = weight ? weight : table.weight.empty() ? nullptr : table.weight.data() + begin;
    if (source) fill(weight_, lane, source, drawn, used, 0);
    else if (layout_ == Layout::points) std::fill_n(weight_, used, 1.0);
    else for (int64_t r = 0; r < used; ++r) weight_[r * W + lane] = 1;
    pad(weight_, lane, used, 0);
  }
  const bool shrinks = held.used == used_rows_ && used < held.used;
  held = {&table, table.version, begin, count, used, weight, target};
  used_rows_ = std::max(used_rows_, used);
  if (layout_ == Layout::points) used_rows_ = (used + W - 1) / W;
  else if (shrinks) used_rows_ = std::max_element(held_, held_ + W, [](const Held& a, const Held& b) { return a.used < b.used; })->used;
  for (size_t k = 0; k < program_.kept.size(); ++k)
    if (program_.centre_of[k] >= 0) means[program_.centre_of[k]] = means_[k * W + lane];
}

void Evaluator::load_lane(int lane, const TableData& table, int64_t begin, int64_t count, const double* weight, double* means,
                          const double* target) {
  hold(lane, table, begin, count, nullptr, weight, means, target);
}

void Evaluator::load_drawn(int lane, const TableData& table, int64_t begin, int64_t count, const double* weight, double* means,
                           const double* target) {
  if (!weighted_ || !weight) return hold(lane, table, begin, count, nullptr, weight, means, target);
  drawn_.clear();
  for (int64_t r = 0; r < count; ++r) if (weight[r] != 0) drawn_.push_back(static_cast<int32_t>(r));
  const bool some = !drawn_.empty() && static_cast<int64_t>(drawn_.size()) < count;
  hold(lane, table, begin, count, some ? &drawn_ : nullptr, weight, means, target);
}

double Evaluator::weight_total(int lane) const {
  const int64_t count = held_[lane].used;
  if (!weighted_) return static_cast<double>(count);
  const bool points = layout_ == Layout::points;
  double total = 0;
  for (int64_t r = 0; r < count; ++r) total += points ? weight_[r] : weight_[r * W + lane];
  return total;
}

void Evaluator::run_points(Tier tier, int64_t first, int count) {
  const int end = program_.points_end[static_cast<int>(tier)];
  const int64_t shift = first * W;
  for (int i = 0; i < end; ++i) {
    const Call& call = points_[i];
    call.run(call.out, call.a + call.column_a * shift, call.b + call.column_b * shift, call.c + call.column_c * shift, count);
  }
}

void Evaluator::accumulate(Tier tier, int64_t first, int count, const Sums& sums) {
  const int p = program_.parameters;
  JacobianColumn* columns = columns_now_.data();
  const auto now = [&](const Column& c) { return JacobianColumn{c.base + (c.moves ? first * W : 0), c.stride}; };
  if (tier == Tier::linear) {
    const int n = static_cast<int>(program_.linear.size());
    for (int i = 0; i < n; ++i) columns[i] = now(jacobian_[program_.linear[i]]);
    if (n > 0) add_normal(n, columns, slope_, majoriser_, count, first == 0, linear_sums_, linear_sums_ + n);
    return;
  }
  for (int i = 0; i < p; ++i) columns[i] = now(jacobian_[i]);
  add_normal(p, columns, slope_, majoriser_, count, first == 0, sums.gradient, sums.majorised);
  if (tier != Tier::hessian) return;
  add_gram(p, columns, curvature_, count, first == 0, sums.second);
  JacobianColumn* entries = columns + p;
  const int number = static_cast<int>(hessian_.size());
  for (int h = 0; h < number; ++h) entries[h] = now(hessian_[h]);
  add_columns(number, entries, slope_, count, true, hessian_sums_);
  for (int h = 0; h < number; ++h) {
    const auto& at = program_.hessian[h];
    sums.second[at.i * (at.i + 1) / 2 + at.j] += hessian_sums_[h];
  }
}

void Evaluator::take_linear(const Sums& sums) const {
  across_lanes(linear_sums_, linear_entries());
  const std::vector<int>& linear = program_.linear;
  const V* next = linear_sums_;
  for (int k : linear) sums.gradient[k] = *next++;
  for (size_t i = 0; i < linear.size(); ++i)
    for (size_t j = 0; j <= i; ++j) sums.majorised[linear[i] * (linear[i] + 1) / 2 + linear[j]] = *next++;
}

void Evaluator::across_lanes(V* sums, size_t number) const {
  if (layout_ == Layout::problems) return;
  for (size_t i = 0; i < number; ++i) sums[i] = broadcast(lane_sum(sums[i]));
}

void Evaluator::run_once(Tier tier, const V* parameters) {
  for (int i = 0; i < program_.parameters; ++i) store(uniform_ + i * W, parameters[i]);
  const int end = program_.once_end[static_cast<int>(tier)];
  for (int i = 0; i < end; ++i) once_[i].run(once_[i].out, once_[i].a, once_[i].b, once_[i].c, 1);
}

ObjectiveBlock Evaluator::objective_block(int64_t first, const LossShape& shape) const {
  const int64_t shift = first * W;
  return {value_.base + (value_.moves ? shift : 0), target_ + shift, inverse_sigma_ + (with_sigma_ ? shift : 0),
          weight_ + (weighted_ ? shift : 0), value_.stride, with_sigma_ ? W : 0, weighted_ ? W : 0, shape,
          slope_, majoriser_, curvature_};
}

ObjectiveSums Evaluator::sweep(Tier tier, const V* parameters, ObjectiveKernel objective, const LossShape& shape, const Sums& sums) {
  run_once(tier, parameters);
  ObjectiveSums total{};
  const int64_t rows = used_rows_;
  for (int64_t first = 0; first < rows; first += block_) {
    const int count = static_cast<int>(std::min<int64_t>(block_, rows - first));
    run_points(tier, first, count);
    objective(objective_block(first, shape), count, total);
    if (tier != Tier::value) accumulate(tier, first, count, sums);
  }
  return total;
}

void Evaluator::evaluate(Tier tier, const V* parameters, const LossShape& shape, const Sums& sums) {
  const ObjectiveKernel objective = tier == Tier::hessian ? curved_ : tier == Tier::value ? value_only_ : sloped_;
  const ObjectiveSums total = sweep(tier, parameters, objective, shape, sums);
  sums.value[0] = total.value;
  sums.energy[0] = total.energy;
  sums.sensitivity[0] = total.sensitivity;
  across_lanes(sums.value, static_cast<size_t>(tier == Tier::linear ? sums.gradient - sums.value : sums.vectors));
  if (tier == Tier::linear) take_linear(sums);
}

void Evaluator::evaluate_linearised(const V* parameters, const LossShape& shape, const Sums& sums) {
  sweep(Tier::linear, parameters, linearised_, shape, sums);
  take_linear(sums);
}

void Evaluator::first_row(V* value, V* jacobian, V* hessian) const {
  const int p = program_.parameters;
  *value = load(value_.base);
  for (int i = 0; i < p; ++i) jacobian[i] = load(jacobian_[i].base);
  std::fill(hessian, hessian + p * (p + 1) / 2, V{});
  for (size_t h = 0; h < hessian_.size(); ++h) {
    const auto& at = program_.hessian[h];
    hessian[at.i * (at.i + 1) / 2 + at.j] = load(hessian_[h].base);
  }
}

void Evaluator::rows(const V* parameters, const LossShape& shape, const Rows& out) {
  run_once(Tier::jacobian, parameters);
  const int p = program_.parameters;
  const int64_t rows = used_rows_, points = held_[0].used;
  ObjectiveSums unused{};
  for (int64_t first = 0; first < rows; first += block_) {
    const int count = static_cast<int>(std::min<int64_t>(block_, rows - first));
    run_points(Tier::jacobian, first, count);
    const ObjectiveBlock block = objective_block(first, shape);
    curved_(block, count, unused);
    const int64_t begin = first * W, end = std::min(begin + static_cast<int64_t>(count) * W, points);
    auto copy = [&](double* to, const double* from, int stride) {
      if (to) for (int64_t i = begin; i < end; ++i) to[i] = from[stride ? i - begin : (i - begin) % W];
    };
    copy(out.model, value_.base + (value_.moves ? begin : 0), value_.stride);
    copy(out.slope, slope_, W);
    copy(out.majoriser, majoriser_, W);
    copy(out.curvature, curvature_, W);
    if (out.value)
      for (int k = 0; k < count; ++k) {   // one vector of rows at a time: the sum then is the rows' values
        ObjectiveSums one{};
        curved_(block.from(k), 1, one);
        for (int lane = 0; lane < W && begin + k * W + lane < end; ++lane) out.value[begin + k * W + lane] = one.value[lane];
      }
    if (!out.jacobian) continue;
    for (int k = 0; k < p; ++k) {
      const double* from = jacobian_[k].base + (jacobian_[k].moves ? begin : 0);
      for (int64_t i = begin; i < end; ++i) out.jacobian[i * p + k] = from[jacobian_[k].stride ? i - begin : (i - begin) % W];
    }
  }
}

}  // namespace lawfit
