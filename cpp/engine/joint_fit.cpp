#include "joint_fit.hpp"

#include <algorithm>
#include <cmath>

#include "number_step.hpp"

namespace lawfit {

namespace {
constexpr int kMostRounds = 80, kMostHalvings = 20;
constexpr double kLongestStep = 2;        // in the logarithm of a number
constexpr double kSettled = 1e-8;         // step after which one more refit is the last: convergence is quadratic
constexpr double kRise = 1e-12;           // relative rise of the joint objective that is rounding
constexpr double kLeastScale = 1e-12;     // of the data's size: residuals that may be all rounding
constexpr double kMostDispersion = 1e8;   // where more scatter no longer changes what is seen
constexpr double kTowardsZero = -0.5;     // steps that long may never arrive: a gradient without curvature gives -1
constexpr double kDetermined = 1e-12;     // eigenvalue of the scaled Hessian that says something
constexpr double kBegin = 0.05;           // tail or dispersion (times the mean) to leave zero with
}  // namespace

struct JointFit::Path {
  LossNumbers last{};
  std::vector<double> last_parameters;
  std::vector<int8_t> active;
  double value = infinity, least_scale = 0;
  Constraint constraint{nullptr, nullptr};
  int halvings = 0;
  bool begun = false, final = false, done = false;
};

const std::vector<Outcome>& FreeRefits::refit(std::vector<Job> jobs, const std::vector<size_t>&) {
  descent_.emplace(problem_, table_, rows_, options_, cancelled_);
  descent_->refit(std::move(jobs));
  return descent_->outcomes();
}

JointFit::JointFit(const TableData& table, RowModel& rows, int parameters, NumberedRefits& refits, Cancellation& cancelled)
    : table_(table), rows_(rows), refits_(refits), cancelled_(cancelled), free_(rows.objective()), p_(parameters) {}

// Fitted values, slopes and Jacobian into the members. False: not all of them finite.
bool JointFit::rows_at(const double* parameters, const RowView& range) {
  model_.resize(range.count);
  slope_.resize(range.count);
  jacobian_.resize(range.count * p_);
  rows_.rows(parameters, range, {model_.data(), slope_.data(), nullptr, nullptr, jacobian_.data()});
  const auto finite = [](double v) { return std::isfinite(v); };
  return std::all_of(slope_.begin(), slope_.end(), finite) && std::all_of(jacobian_.begin(), jacobian_.end(), finite);
}

bool JointFit::first_numbers(const double* parameters, const RowView& range, const std::vector<double>& tails, LossNumbers& out) {
  const ObjectiveSpec& objective = rows_.objective();
  out = {objective.scale, objective.tail};
  const LossNumbers start{objective.loss == Loss::student_t ? 1.0 : 0.0, 0};
  RowView there = range;
  there.own = &start;
  if (!rows_at(parameters, there)) return false;
  const TableData& table = rows_.table();
  auto weight = [&](int64_t i) { return range.weight ? range.weight[i] : table.weight.empty() ? 1 : table.weight[range.begin + i]; };
  auto target = [&](int64_t i) { return range.target ? range.target[i] : table.target[range.begin + i]; };
  if (objective.loss == Loss::negative_binomial) {   // by the method of moments
    double excess = 0, squares = 0;
    for (int64_t i = 0; i < range.count; ++i) {
      const double m = model_[i], d = target(i) - m;
      excess += weight(i) * (d * d - m);
      squares += weight(i) * m * m;
    }
    out.scale = squares > 0 && excess > 1e-6 * squares ? std::min(excess / squares, kMostDispersion) : 0;
    return true;
  }
  std::vector<double> squared(range.count), w(range.count);
  double total = 0, sum = 0;
  for (int64_t i = 0; i < range.count; ++i) {
    const double inverse = table.inverse_sigma.empty() ? 1 : table.inverse_sigma[range.begin + i];
    const double r = (target(i) - space_transform(objective.space, model_[i])) * inverse;
    squared[i] = r * r;
    w[i] = weight(i);
    total += w[i];
    sum += w[i] * squared[i];
  }
  const double floor = kLeastScale * typical_size(table_, range.begin, range.count);
  double best = infinity;
  for (double tail : tails) {   // the scale at each by reweighting
    if (!objective.free_tail) tail = objective.tail;
    double variance = objective.free_scale ? std::max(sum / total, floor * floor) : objective.scale * objective.scale;
    for (int round = 0; round < 50 && objective.free_scale; ++round) {
      double next = 0;
      for (int64_t i = 0; i < range.count; ++i) next += w[i] * (1 + tail) * squared[i] / (1 + tail * squared[i] / variance);
      variance = std::max(next / total, floor * floor);
    }
    double value = 0;
    const double scale = std::sqrt(variance);
    for (int64_t i = 0; i < range.count; ++i) value += w[i] * student_density(squared[i] / variance, scale, tail).value;
    if (value < best) {
      best = value;
      out = {scale, tail};
    }
  }
  return best < infinity;
}

namespace {
void unpack(const double* packed, int p, double* full) {
  for (int i = 0; i < p; ++i)
    for (int j = 0; j <= i; ++j) full[i * p + j] = full[j * p + i] = packed[i * (i + 1) / 2 + j];
}

// Leaves the directions along the constraint, in which one parameter gives way to each of the
// others. False: there are none.
bool along(const double* normal, const std::vector<int8_t>& active, Matrix& matrix, Matrix& cross) {
  const auto p = matrix.rows();
  Eigen::Index pivot = -1;
  double most = 0;
  for (Eigen::Index i = 0; i < p; ++i) {
    const double reach = active[i] ? 0 : std::fabs(normal[i]) / std::sqrt(std::fabs(matrix(i, i)));
    if (reach > most) {
      most = reach;
      pivot = i;
    }
  }
  if (pivot < 0 || p == 1) return false;
  Matrix directions = Matrix::Zero(p, p - 1);
  for (Eigen::Index i = 0, c = 0; i < p; ++i) {
    if (i == pivot) continue;
    directions(i, c) = 1;
    if (!active[i]) directions(pivot, c) = -normal[i] / normal[pivot];
    ++c;
  }
  matrix = directions.transpose() * matrix * directions;
  cross = directions.transpose() * cross;
  return true;
}
}  // namespace

// How the law's parameters follow the numbers, C' H^-1 C: what the second derivatives by the numbers
// lose once the law is refitted. Directions that the data do not determine do not follow.
Matrix JointFit::following(const NuisanceSums& sums, const RowView& range, const double* parameters, const Path& path) {
  const std::vector<int8_t>& active = path.active;
  Matrix matrix(p_, p_), cross = Matrix::Zero(p_, free_.count), follows = Matrix::Zero(free_.count, free_.count);
  hessian_.resize(static_cast<size_t>(p_) * p_);
  if (path.constraint.second) unpack(path.constraint.second, p_, hessian_.data());
  else rows_.hessian(parameters, range, hessian_.data());
  for (int i = 0; i < p_; ++i)
    for (int j = 0; j < p_; ++j) matrix(i, j) = active[i] || active[j] ? (i == j ? 1 : 0) : hessian_[static_cast<size_t>(i) * p_ + j];
  for (int k = 0; k < free_.count; ++k)
    for (int64_t r = 0; r < range.count; ++r)
      for (int i = 0; i < p_; ++i) if (!active[i] && sums.cross[k][r] != 0) cross(i, k) += sums.cross[k][r] * jacobian_[r * p_ + i];
  if (!matrix.allFinite() || (path.constraint.normal && !along(path.constraint.normal, active, matrix, cross))) return follows;
  Vector scale = matrix.diagonal().cwiseAbs().cwiseSqrt();
  for (Eigen::Index i = 0; i < scale.size(); ++i) scale(i) = scale(i) > 0 ? 1 / scale(i) : 1;
  const Eigenvalues parts = eigenvalues(scale.asDiagonal() * matrix * scale.asDiagonal());
  if (!parts.found) return follows;
  const Matrix turned = parts.directions.transpose() * scale.asDiagonal() * cross;
  for (Eigen::Index s = 0; s < parts.values.size(); ++s)
    if (parts.values(s) > kDetermined) follows += turned.row(s).transpose() * turned.row(s) / parts.values(s);
  return follows;
}

double& JointFit::number(LossNumbers& numbers, int k) const { return free_.place[k] == 1 ? numbers.tail : numbers.scale; }
bool JointFit::counts() const { return rows_.loss() == Loss::negative_binomial; }
// Zero is a value like any other: of a dispersion and of a tail, not of a scale.
bool JointFit::may_be_zero(int k) const { return counts() || free_.place[k] == 1; }
double JointFit::largest(int k) const { return free_.place[k] == 1 ? kHeaviestTail : counts() ? kMostDispersion : infinity; }

// A number at zero that wants to grow does so at once: a logarithm cannot. True if there was one.
bool JointFit::leave_zero(const NuisanceSums& sums, LossNumbers& numbers) const {
  for (int k = 0; k < free_.count; ++k) {
    if (!may_be_zero(k) || number(numbers, k) != 0 || sums.first[k] >= 0) continue;
    double mean = 0;
    for (double m : model_) mean += m / static_cast<double>(model_.size());
    number(numbers, k) = counts() && mean > kBegin / kMostDispersion ? kBegin / mean : kBegin;
    return true;
  }
  return false;
}

// The numbers' next values: a Newton step on what is left of the joint objective once the law follows.
void JointFit::step(Path& path, const RowView& range, const double* parameters, LossNumbers& numbers) {
  RowView there = range;
  there.own = &numbers;
  if (!rows_at(parameters, there)) {
    path.final = true;
    return;
  }
  const NuisanceSums sums = nuisance_sums(rows_, there, model_, slope_);
  if (leave_zero(sums, numbers)) return;
  const Matrix follows = following(sums, there, parameters, path);
  NumberSystem fixed{free_.count, {}, {}, {}, {}, {}};    // the law's parameters where they are
  double metric[kMostNuisance];
  for (int k = 0; k < free_.count; ++k) {
    const double at = number(numbers, k), least = may_be_zero(k) ? 0 : path.least_scale;
    metric[k] = may_be_zero(k) ? at : 1;   // the scale's derivatives are by its logarithm already
    fixed.held[k] = (at <= least && sums.first[k] >= 0) || (at >= largest(k) && sums.first[k] <= 0);
    fixed.least[k] = std::max(-kLongestStep, least > 0 ? std::log(least / at) : -infinity);
    fixed.most[k] = std::min(kLongestStep, std::log(largest(k) / at));
  }
  for (int k = 0; k < free_.count; ++k) {
    fixed.gradient[k] = metric[k] * sums.first[k];
    for (int j = 0; j < free_.count; ++j) fixed.second[k][j] = metric[k] * metric[j] * sums.second[k][j];
    if (may_be_zero(k)) fixed.second[k][k] += fixed.gradient[k];
  }
  NumberSystem profile = fixed;
  for (int k = 0; k < free_.count; ++k)
    for (int j = 0; j < free_.count; ++j) profile.second[k][j] -= metric[k] * metric[j] * follows(k, j);
  double by[kMostNuisance] = {};
  if (!newton(profile, by) && !newton(fixed, by)) downhill(fixed, by);
  path.final = move(path, there, by, numbers) <= kSettled;
}

// Takes the step, within the numbers' domains; how far they went in the logarithm.
double JointFit::move(const Path& path, const RowView& range, const double* by, LossNumbers& numbers) {
  double longest = 0;
  for (int k = 0; k < free_.count; ++k) {
    const double before = number(numbers, k), least = may_be_zero(k) ? 0 : path.least_scale;
    const double length = by[k];
    number(numbers, k) = std::clamp(before * std::exp(length), least, largest(k));
    if (before > 0) longest = std::max(longest, std::fabs(std::log(number(numbers, k) / before)));
    if (!may_be_zero(k) || !(before > 0) || length > kTowardsZero) continue;
    LossNumbers none = numbers;          // on the way to zero: is that where it ends?
    number(none, k) = 0;
    RowView there = range;
    there.own = &none;
    if (nuisance_sums(rows_, there, model_, slope_).first[k] >= 0) numbers = none;
  }
  return longest;
}

// What a refit brought: taken if the joint objective fell, else the numbers go half the way back.
void JointFit::look(Path& path, const Job& job, const Outcome& outcome, double* parameters, LossNumbers& numbers, JointOutcome& out) {
  RowView range{job.begin, job.count, job.weight, job.target, &numbers};
  out.iterations += outcome.iterations;
  const bool usable = std::isfinite(outcome.objective);
  const double value = usable ? rows_.objective(outcome.parameters, range) + density_offset(rows_, range) : infinity;
  if (path.begun && !(value <= path.value + kRise * (std::fabs(path.value) + static_cast<double>(job.count)))) {
    path.final = false;
    path.done = ++path.halvings > kMostHalvings;   // nowhere lower
    auto middle = [](double a, double b) { return a > 0 && b > 0 ? std::sqrt(a * b) : 0.5 * (a + b); };
    numbers = path.done ? path.last : LossNumbers{middle(numbers.scale, path.last.scale), middle(numbers.tail, path.last.tail)};
    std::copy(path.last_parameters.begin(), path.last_parameters.end(), parameters);
    return;
  }
  out.objective = value;
  out.gradient_norm = outcome.gradient_norm;
  out.inverse_trace = outcome.inverse_trace;
  out.status = outcome.status;
  out.moved |= outcome.moved;
  if (!usable) {
    path.done = true;
    return;
  }
  std::copy_n(outcome.parameters, p_, parameters);
  path.active.assign(outcome.active, outcome.active + p_);
  path.last = numbers;
  path.last_parameters.assign(parameters, parameters + p_);
  path.value = value;
  path.halvings = 0;
  path.begun = true;
  path.done = path.final;
  if (!path.done) step(path, {job.begin, job.count, job.weight, job.target}, parameters, numbers);
}

void JointFit::run(const std::vector<Job>& jobs, std::vector<double>& parameters, std::vector<LossNumbers>& numbers) {
  outcomes_.assign(jobs.size(), {});
  std::vector<Path> paths(jobs.size());
  for (size_t k = 0; k < jobs.size(); ++k) paths[k].least_scale = kLeastScale * jobs[k].sharpest / kSharpest;
  for (int round = 0; round < kMostRounds && !cancelled_; ++round) {
    std::vector<Job> now;
    std::vector<size_t> index;
    std::vector<double> starts;
    for (size_t k = 0; k < jobs.size(); ++k) if (!paths[k].done) index.push_back(k);
    if (index.empty()) return;
    starts.reserve(index.size() * p_);
    for (size_t k : index) {
      now.push_back(jobs[k]);
      now.back().own = &numbers[k];
      starts.insert(starts.end(), &parameters[k * p_], &parameters[k * p_] + p_);
      now.back().start = starts.data() + starts.size() - p_;
    }
    const std::vector<Outcome>& found = refits_.refit(std::move(now), index);
    for (size_t i = 0; i < index.size(); ++i) {
      const size_t k = index[i];
      paths[k].constraint = refits_.constraint(k);
      look(paths[k], jobs[k], found[i], &parameters[k * p_], numbers[k], outcomes_[k]);
    }
  }
  for (size_t k = 0; k < jobs.size(); ++k)
    if (!paths[k].done && !cancelled_) outcomes_[k].status = Status::iteration_limit;
}

}  // namespace lawfit
