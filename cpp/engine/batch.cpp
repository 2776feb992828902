#include "batch.hpp"

#include <algorithm>
#include <map>
#include <numeric>

#include "clock.hpp"
#include "likelihood_fits.hpp"
#include "turns.hpp"

namespace lawfit {

namespace {
constexpr int64_t kUnitRows = 32768, kLeastUnitRows = 4096;   // rows that one unit of work holds
constexpr int kUnitsPerWorker = 4;
constexpr double kInlineRows = 2e4;                           // rows x starts below which threads cost more than they bring

// Groups of one subset whose columns are alike in sign, so that one program serves them.
struct Part {
  std::vector<bool> positive;
  std::vector<int64_t> groups;
};

struct Unit {
  const BatchLaw* law;
  const CompiledLaw* compiled;
  const ObjectiveSpec* objective;
  const Subset* subset;
  const int64_t* groups;           // numbers of the groups
  int64_t count;
  FitTable* out;
  int64_t first_row;
};

// The rows of one unit, side by side, as one small table. Rows that already stand so are not copied.
struct UnitRows {
  std::vector<int64_t> offsets{0};
  std::vector<double> memory;
  std::vector<const double*> columns;
  TableView view;

  UnitRows(const TableView& table, const Unit& unit) {
    const Subset& subset = *unit.subset;
    int64_t rows = 0;
    bool adjacent = !subset.rows;
    for (int64_t k = 0; k < unit.count; ++k) {
      const int64_t g = unit.groups[k];
      rows += subset.offsets[g + 1] - subset.offsets[g];
      offsets.push_back(rows);
      adjacent &= k == 0 || g == unit.groups[k - 1] + 1;
    }
    const int64_t first = unit.count ? subset.offsets[unit.groups[0]] : 0;
    memory.resize(adjacent ? 0 : static_cast<size_t>(rows) * (unit.law->columns.size() + 3));
    double* next = memory.data();
    auto take = [&](const double* source) -> const double* {
      if (!source) return nullptr;
      if (adjacent) return source + first;
      double* out = next;
      next += rows;
      for (int64_t k = 0, at = 0; k < unit.count; ++k)
        for (int64_t r = subset.offsets[unit.groups[k]]; r < subset.offsets[unit.groups[k] + 1]; ++r, ++at) out[at] = source[subset.rows ? subset.rows[r] : r];
      return out;
    };
    for (int column : unit.law->columns) columns.push_back(take(table.columns[column]));
    view = {columns.data(), take(table.y), take(table.weight), take(table.sigma), rows};
  }
};

class Batch {
 public:
  Batch(const BatchRequest& request, const FitOptions& options) : request_(request), options_(options) {
    if (options.max_seconds > 0) options_.limits.deadline = now_seconds() + options.max_seconds;
  }

  std::vector<FitTable> run() {
    plan();
    if (units_.size() <= 1) {          // threads, if any, share the starts of this one
      for (const Unit& unit : units_) fit(unit, options_);
      return std::move(tables_);
    }
    const auto fit_unit = [&](size_t k, const FitOptions& inner) {
      fit(units_[k], inner);
      done_ += units_[k].count;
    };
    take_turns(units_.size(), options_, work_ < kInlineRows, fit_unit, [&] { return !options_.poll || options_.poll(done_, fits_); }, cancelled_);
    return std::move(tables_);
  }

 private:
  static int64_t start_count(const CompiledLaw& program, const ObjectiveSpec& objective, const BatchLaw& law) {
    return law.starts.given ? law.starts.count : StartSource::count(program, objective, law.lower, law.upper, law.guess, law.starts);
  }
  int64_t group_rows(const Subset& subset, int64_t g) const { return subset.offsets[g + 1] - subset.offsets[g]; }

  // Per group: is every value of this column positive?
  const std::vector<uint8_t>& signs(const Subset& subset, int column) {
    auto& flags = signs_[{&subset, column}];
    if (!flags.empty()) return flags;
    flags.resize(static_cast<size_t>(request_.groups) + 1);
    const double* values = request_.table.columns[column];
    if (!subset.rows && all_positive(values + subset.offsets[0], subset.offsets[request_.groups] - subset.offsets[0])) {
      std::fill(flags.begin(), flags.end(), uint8_t{1});
      return flags;
    }
    for (int64_t g = 0; g < request_.groups; ++g) {
      const int64_t begin = subset.offsets[g], rows = group_rows(subset, g);
      if (!subset.rows) { flags[g] = all_positive(values + begin, rows); continue; }
      bool all = true;
      for (int64_t r = begin; r < begin + rows; ++r) all &= values[subset.rows[r]] > 0 && values[subset.rows[r]] < infinity;
      flags[g] = all;
    }
    return flags;
  }

  std::vector<Part> parts(const Subset& subset, const std::vector<int>& columns) {
    std::map<std::vector<bool>, size_t> known;
    std::vector<Part> parts;
    std::vector<bool> positive(columns.size());
    size_t last = 0;
    std::vector<const uint8_t*> flags;
    for (int column : columns) flags.push_back(signs(subset, column).data());
    const int64_t last_group = request_.groups - 1;
    if (last_group >= 0 && std::all_of(flags.begin(), flags.end(), [&](const uint8_t* f) { return std::equal(f, f + last_group, f + 1); })) {
      for (size_t c = 0; c < columns.size(); ++c) positive[c] = flags[c][0];
      parts.push_back({positive, std::vector<int64_t>(static_cast<size_t>(request_.groups))});
      std::iota(parts[0].groups.begin(), parts[0].groups.end(), 0);
      return parts;
    }
    for (int64_t g = 0; g < request_.groups; ++g) {
      for (size_t c = 0; c < columns.size(); ++c) positive[c] = flags[c][g];
      if (parts.empty() || parts[last].positive != positive) {
        const auto [at, fresh] = known.try_emplace(positive, parts.size());
        if (fresh) parts.push_back({positive, {}});
        last = at->second;
      }
      parts[last].groups.push_back(g);
    }
    return parts;
  }

  void plan() {
    const int64_t each = static_cast<int64_t>(request_.subsets.size()) * request_.groups;
    fits_ = 0;
    for (const BatchLaw& law : request_.laws) {
      tables_.emplace_back(static_cast<int>(law.lower.size()), each * static_cast<int64_t>(request_.objectives.size()));
      fits_ += tables_.back().fits;
    }
    int64_t rows = 0;
    for (const Subset& subset : request_.subsets) rows += subset.offsets[request_.groups];
    const int64_t all = rows * static_cast<int64_t>(request_.laws.size() * request_.objectives.size());
    unit_rows_ = std::clamp(all / (kUnitsPerWorker * std::max(options_.threads, 1)), kLeastUnitRows, kUnitRows);
    for (size_t l = 0; l < request_.laws.size(); ++l) {
      const BatchLaw& law = request_.laws[l];
      std::map<std::vector<bool>, const CompiledLaw*> compiled;
      for (size_t s = 0; s < request_.subsets.size(); ++s)
        for (Part& part : parts(request_.subsets[s], law.columns)) {
          const CompiledLaw*& program = compiled[part.positive];
          if (!program) {
            programs_.push_back(std::make_unique<CompiledLaw>(law.view, part.positive, law.lower, law.upper));
            program = programs_.back().get();
          }
          groups_.push_back(std::move(part.groups));
          if (options_.keep_starts)
            for (const ObjectiveSpec& objective : request_.objectives)
              tables_[l].starts = std::max(tables_[l].starts, start_count(*program, objective, law));
          for (size_t o = 0; o < request_.objectives.size(); ++o)
            cut(law, *program, request_.objectives[o], request_.subsets[s], groups_.back(), tables_[l],
                static_cast<int64_t>(o) * each + static_cast<int64_t>(s) * request_.groups);
        }
      if (options_.keep_starts) tables_[l].keep_starts();
      if (std::any_of(request_.objectives.begin(), request_.objectives.end(), [](const ObjectiveSpec& o) { return o.estimates(); }))
        tables_[l].keep_numbers();
    }
  }

  void cut(const BatchLaw& law, const CompiledLaw& program, const ObjectiveSpec& objective, const Subset& subset,
           const std::vector<int64_t>& groups, FitTable& out, int64_t first_row) {
    const int64_t n = static_cast<int64_t>(groups.size());
    for (int64_t first = 0; first < n;) {
      int64_t last = first, rows = 0;
      while (last < n && (last == first || rows + group_rows(subset, groups[last]) <= unit_rows_)) rows += group_rows(subset, groups[last++]);
      units_.push_back({&law, &program, &objective, &subset, groups.data() + first, last - first, &out, first_row});
      work_ += static_cast<double>(rows) * (law.starts.given ? static_cast<double>(law.starts.count) : 16.0);
      first = last;
    }
  }

  void fit(const Unit& unit, const FitOptions& options) {
    const UnitRows rows(request_.table, unit);
    const FitRequest request{rows.view, rows.offsets.data(), unit.count, *unit.objective, unit.law->lower, unit.law->upper, unit.law->guess,
                             unit.law->starts, unit.groups, unit.first_row};
    if (options.limits.deadline > 0 && now_seconds() > options.limits.deadline) {
      for (int64_t k = 0; k < unit.count; ++k) unit.out->status[unit.first_row + unit.groups[k]] = static_cast<int8_t>(Status::time_limit);
      return;
    }
    fit_groups(*unit.compiled, request, options, cancelled_, *unit.out);
  }

  const BatchRequest& request_;
  FitOptions options_;
  std::vector<FitTable> tables_;
  std::vector<std::unique_ptr<CompiledLaw>> programs_;
  std::vector<std::vector<int64_t>> groups_;
  std::map<std::pair<const Subset*, int>, std::vector<uint8_t>> signs_;
  std::vector<Unit> units_;
  int64_t unit_rows_ = kUnitRows, fits_ = 0;
  double work_ = 0;
  std::atomic<int64_t> done_{0};
  std::atomic<bool> cancelled_{false};
};
}  // namespace

FitTable::FitTable(int parameters, int64_t fits) : parameters(parameters), fits(fits) {
  const size_t n = static_cast<size_t>(fits), p = static_cast<size_t>(parameters);
  values.assign(n * p, not_a_number);
  for (auto* v : {&objective, &gradient_norm, &best_share, &second_objective}) v->assign(n, not_a_number);
  status.assign(n, static_cast<int8_t>(Status::too_few_points));
  active.assign(n * p, 0);
  for (auto* v : {&iterations, &n_starts, &n_converged}) v->assign(n, 0);
  moved.assign(n, 0);
  tradeoff.assign(n * p * p, 0);
}

void FitTable::keep_numbers() { numbers.assign(static_cast<size_t>(fits), {not_a_number, not_a_number}); }

void FitTable::keep_starts() {
  start_values.assign(static_cast<size_t>(fits * starts * parameters), not_a_number);
  start_objective.assign(static_cast<size_t>(fits * starts), not_a_number);
  start_status.assign(static_cast<size_t>(fits * starts), static_cast<int8_t>(Status::too_few_points));
}

std::vector<FitTable> fit_batch(const BatchRequest& request, const FitOptions& options) { return Batch(request, options).run(); }

}  // namespace lawfit
