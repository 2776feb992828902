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
constexpr int64_t kLeastSearchedRows = 1024;                  // the same where every group has many starts
constexpr int kShareOfRest = 2;                               // a unit is this part of what is left for each worker
constexpr double kInlineRows = 2e4;                           // rows x starts below which threads cost more than they bring

// Groups of all subsets whose columns are alike in sign, so that one program serves them. They are
// numbered through: group g of subset s is s * groups + g.
struct Part {
  std::vector<bool> positive;
  std::vector<int64_t> numbers;
};

struct Unit {
  const BatchLaw* law;
  const CompiledLaw* compiled;
  const ObjectiveSpec* objective;
  const int64_t* numbers;
  int64_t count;
  FitTable* out;
  int64_t first_row;
};

// Where one group of one subset stands: rows [begin, end) of the subset's list, or of the table.
struct Place {
  const int64_t* rows;
  int64_t begin, end;
  int64_t count() const { return end - begin; }
};
Place place_of(const BatchRequest& request, int64_t number) {
  const Subset& subset = request.subsets[static_cast<size_t>(number / request.groups)];
  const int64_t* offset = subset.offsets + number % request.groups;
  return {subset.rows, offset[0], offset[1]};
}

// The rows of one unit, side by side, as one small table. Rows that already stand so are not copied.
struct UnitRows {
  std::vector<int64_t> offsets{0};
  std::vector<double> memory;
  std::vector<const double*> columns;
  TableView view;

  UnitRows(const BatchRequest& request, const Unit& unit) {
    std::vector<Place> places;
    bool adjacent = true;
    for (int64_t k = 0; k < unit.count; ++k) {
      const Place place = place_of(request, unit.numbers[k]);
      offsets.push_back(offsets.back() + place.count());
      adjacent &= !place.rows && (k == 0 || place.begin == places.back().end);
      places.push_back(place);
    }
    const int64_t first = unit.count ? places[0].begin : 0, rows = offsets.back();
    memory.resize(adjacent ? 0 : static_cast<size_t>(rows) * (unit.law->columns.size() + 3));
    double* next = memory.data();
    auto take = [&](const double* source) -> const double* {
      if (!source) return nullptr;
      if (adjacent) return source + first;
      double* out = next;
      for (const Place& place : places)
        for (int64_t r = place.begin; r < place.end; ++r) *next++ = source[place.rows ? place.rows[r] : r];
      return out;
    };
    const TableView& table = request.table;
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
    const int workers = work_ < kInlineRows ? 1 : options_.threads;
    take_turns(units_.size(), options_, workers, fit_unit, options_.polls([&] { return done_.load(); }, fits_), cancelled_);
    return std::move(tables_);
  }

 private:
  static int64_t start_count(const CompiledLaw& program, const ObjectiveSpec& objective, const BatchLaw& law) {
    return law.starts.given ? law.starts.count : StartSource::count(program, objective, law.lower, law.upper, law.guess, law.starts);
  }

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
      const int64_t begin = subset.offsets[g], rows = subset.offsets[g + 1] - begin;
      if (!subset.rows) { flags[g] = all_positive(values + begin, rows); continue; }
      bool all = true;
      for (int64_t r = begin; r < begin + rows; ++r) all &= values[subset.rows[r]] > 0 && values[subset.rows[r]] < infinity;
      flags[g] = all;
    }
    return flags;
  }

  std::vector<Part> parts(const std::vector<int>& columns) {
    std::map<std::vector<bool>, size_t> known;
    std::vector<Part> parts;
    std::vector<bool> positive(columns.size());
    size_t last = 0;
    const auto part_of = [&]() -> Part& {
      if (parts.empty() || parts[last].positive != positive) {
        const auto [at, fresh] = known.try_emplace(positive, parts.size());
        if (fresh) parts.push_back({positive, {}});
        last = at->second;
      }
      return parts[last];
    };
    const int64_t groups = request_.groups;
    for (size_t s = 0; s < request_.subsets.size() && groups > 0; ++s) {
      std::vector<const uint8_t*> flags;
      for (int column : columns) flags.push_back(signs(request_.subsets[s], column).data());
      const int64_t first = static_cast<int64_t>(s) * groups;
      const bool alike = std::all_of(flags.begin(), flags.end(), [&](const uint8_t* f) { return std::equal(f, f + groups - 1, f + 1); });
      const int64_t together = alike ? groups : 1;
      for (int64_t g = 0; g < groups; g += together) {
        for (size_t c = 0; c < columns.size(); ++c) positive[c] = flags[c][g];
        std::vector<int64_t>& numbers = part_of().numbers;
        numbers.resize(numbers.size() + static_cast<size_t>(together));
        std::iota(numbers.end() - together, numbers.end(), first + g);
      }
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
    rows_left_ = rows * static_cast<int64_t>(request_.laws.size() * request_.objectives.size());
    for (size_t l = 0; l < request_.laws.size(); ++l) {
      const BatchLaw& law = request_.laws[l];
      const int64_t least = law.starts.given ? kLeastUnitRows : kLeastSearchedRows;
      for (Part& part : parts(law.columns)) {
        programs_.push_back(std::make_unique<CompiledLaw>(law.view, part.positive, law.lower, law.upper));
        const CompiledLaw& program = *programs_.back();
        numbers_.push_back(std::move(part.numbers));
        for (size_t o = 0; o < request_.objectives.size(); ++o) {
          const ObjectiveSpec& objective = request_.objectives[o];
          if (options_.keep_starts) tables_[l].starts = std::max(tables_[l].starts, start_count(program, objective, law));
          cut({&law, &program, &objective, numbers_.back().data(), 0, &tables_[l], static_cast<int64_t>(o) * each}, least);
        }
      }
      if (options_.keep_starts) tables_[l].keep_starts();
      if (std::any_of(request_.objectives.begin(), request_.objectives.end(), [](const ObjectiveSpec& o) { return o.estimates(); }))
        tables_[l].keep_numbers();
    }
  }

  // Units of some number of rows out of the groups in numbers_.back(): smaller ones towards the end
  // of the batch, so that all workers end at about the same time.
  void cut(Unit unit, int64_t least) {
    const int64_t* end = numbers_.back().data() + numbers_.back().size();
    while (unit.numbers != end) {
      const int64_t unit_rows = options_.threads <= 1 ? kUnitRows : std::clamp(rows_left_ / (kShareOfRest * options_.threads), least, kUnitRows);
      const int64_t* last = unit.numbers;
      int64_t rows = place_of(request_, *last++).count();
      for (int64_t more; last != end && rows + (more = place_of(request_, *last).count()) <= unit_rows; ++last) rows += more;
      unit.count = last - unit.numbers;
      units_.push_back(unit);
      rows_left_ -= rows;
      work_ += static_cast<double>(rows) * (unit.law->starts.given ? static_cast<double>(unit.law->starts.count) : 16.0);
      unit.numbers = last;
    }
  }

  void fit(const Unit& unit, const FitOptions& options) {
    const UnitRows rows(request_, unit);
    const FitRequest request{rows.view, rows.offsets.data(), unit.count, *unit.objective, unit.law->lower, unit.law->upper, unit.law->guess,
                             unit.law->starts, unit.numbers, unit.first_row};
    if (options.limits.deadline > 0 && now_seconds() > options.limits.deadline) {
      for (int64_t k = 0; k < unit.count; ++k) unit.out->leave_out(unit.first_row + unit.numbers[k], Status::time_limit);
      return;
    }
    fit_groups(*unit.compiled, request, options, cancelled_, *unit.out);
  }

  const BatchRequest& request_;
  FitOptions options_;
  std::vector<FitTable> tables_;
  std::vector<std::unique_ptr<CompiledLaw>> programs_;
  std::vector<std::vector<int64_t>> numbers_;
  std::map<std::pair<const Subset*, int>, std::vector<uint8_t>> signs_;
  std::vector<Unit> units_;
  int64_t fits_ = 0, rows_left_ = 0;   // not cut into units yet
  double work_ = 0;
  std::atomic<int64_t> done_{0};
  Cancellation cancelled_;
};
}  // namespace

FitTable::FitTable(int parameters, int64_t fits) : parameters(parameters), fits(fits) {
  const size_t n = static_cast<size_t>(fits), p = static_cast<size_t>(parameters);
  values.assign(n * p, not_a_number);
  for (auto* v : {&objective, &gradient_norm, &best_share, &second_objective}) v->assign(n, not_a_number);
  status.assign(n, static_cast<int8_t>(Status::cancelled));   // until it is reached
  active.assign(n * p, 0);
  for (auto* v : {&iterations, &n_starts, &n_converged}) v->assign(n, 0);
  moved.assign(n, 0);
  tradeoff.assign(n * p * p, 0);
}

void FitTable::keep_numbers() { numbers.assign(static_cast<size_t>(fits), {not_a_number, not_a_number}); }

void FitTable::keep_starts() {
  start_values.assign(static_cast<size_t>(fits * starts * parameters), not_a_number);
  start_objective.assign(static_cast<size_t>(fits * starts), not_a_number);
  start_status.assign(static_cast<size_t>(fits * starts), static_cast<int8_t>(Status::cancelled));
}

void FitTable::leave_out(int64_t row, Status why) {
  status[row] = static_cast<int8_t>(why);
  if (!start_status.empty()) std::fill_n(start_status.begin() + row * starts, starts, static_cast<int8_t>(why));
}

std::vector<FitTable> fit_batch(const BatchRequest& request, const FitOptions& options) { return Batch(request, options).run(); }

}  // namespace lawfit
