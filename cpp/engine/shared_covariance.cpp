#include "shared_covariance.hpp"

#include <algorithm>
#include <cmath>

#include "dense.hpp"
#include "group.hpp"
#include "pool.hpp"

namespace lawfit {

namespace {
constexpr double kRankTolerance = 1e-11;    // as for single fits
constexpr double kLostShare = 1e-14;        // eigenvalue of a scaled matrix that says nothing
constexpr double kTakesPart = 0.05;         // share of a null direction that names a parameter
constexpr int64_t kInlineGroups = 500;

struct Inverse {
  Matrix matrix;                            // directions without information left out
  std::vector<char> lost;                   // who takes part in one
  int rank = 0;
};

// Of a symmetric matrix scaled to unit diagonal first. `full`: what the diagonal was before anything
// was eliminated; what is left of it may be rounding.
Inverse scaled_inverse(Matrix h, const Vector& full, double tolerance) {
  const Eigen::Index q = h.rows();
  Inverse out{Matrix::Zero(q, q), std::vector<char>(q, 0), 0};
  Vector inverse = Vector::Zero(q);
  for (Eigen::Index k = 0; k < q; ++k) {
    if (h(k, k) > kRankTolerance * kRankTolerance * full(k)) inverse(k) = 1 / std::sqrt(h(k, k));
    else out.lost[k] = 1;
  }
  h = inverse.asDiagonal() * h * inverse.asDiagonal();
  if (q == 0 || !h.allFinite()) return out;
  const Eigenvalues found = eigenvalues(h);
  for (Eigen::Index s = 0; s < q && found.found; ++s) {
    const Vector v = found.directions.col(s);
    if (found.values(s) > tolerance) {
      out.matrix.noalias() += v * v.transpose() / found.values(s);
      ++out.rank;
    } else {
      for (Eigen::Index k = 0; k < q; ++k) if (std::fabs(v(k)) > kTakesPart) out.lost[k] = 1;
    }
  }
  out.matrix = (inverse.asDiagonal() * out.matrix * inverse.asDiagonal()).eval();
  return out;
}

// One group: the inverse of its own block, how its own parameters follow the shared ones (with a
// minus), and what it says about those.
struct Part {
  std::vector<int> own;                     // free ones
  Matrix inverse, coupling, reduced;
  Vector full;                              // of the shared diagonal, before the elimination
  std::vector<char> lost;
  int rank = 0;
  double used = 0, scatter = 0, weight = 0;
  Matrix shared_gradients, own_gradients;   // rows x ..., for sandwiches: effective ones and steps
};

class Arrow {
 public:
  Arrow(const CompiledLaw& law, const TableView& table, const ObjectiveSpec& objective, const SharedCovarianceRequest& request, const double* values,
        const int8_t* active)
      : law_(law), table_(table), objective_(objective), request_(request), values_(values), active_(active), p_(law.natural.parameters),
        parts_(request.groups) {
    const int64_t longest = longest_group(request.offsets, request.groups);
    for (int64_t g = 0; g < request.groups && first_ < 0; ++g) if (count(g)) first_ = g;
    for (int k = 0; k < p_ && first_ >= 0; ++k) if (request.shared[k] && !active[first_ * p_ + k]) shared_.push_back(k);
    std::atomic<int64_t> next{0};
    Cancellation never;
    run_workers(request.groups < kInlineGroups ? 1 : request.threads, [&](int) {
      RowModel model(law_, table_, objective_, longest);
      constexpr int64_t kStretch = 16;
      for (int64_t k = next.fetch_add(kStretch); k < request_.groups; k = next.fetch_add(kStretch))
        for (int64_t g = k; g < std::min(k + kStretch, request_.groups); ++g) if (count(g)) parts_[g] = make(model, g);
    }, nullptr, never);
    const auto m = static_cast<Eigen::Index>(shared_.size());
    Matrix reduced = Matrix::Zero(m, m);
    Vector full = Vector::Zero(m);
    for (int64_t g = 0; g < request.groups; ++g) {
      if (!count(g)) continue;
      reduced += parts_[g].reduced;
      full += parts_[g].full;
      used_ += parts_[g].used;
      scatter_ += parts_[g].scatter;
      weight_ += parts_[g].weight;
      determined_ += parts_[g].rank;
    }
    left_ = scaled_inverse(reduced, full, kLostShare);
    determined_ += left_.rank;
  }

  std::vector<uint8_t> lost() const {
    std::vector<uint8_t> out(p_, 0);
    for (size_t c = 0; c < shared_.size(); ++c) out[shared_[c]] = left_.lost[c] != 0;
    return out;
  }

  SharedCovariances covariances() {
    SharedCovariances out;
    out.groups.assign(static_cast<size_t>(request_.groups) * p_ * p_, not_a_number);
    out.freedom = used_ - determined_;
    out.scatter = scatter_;
    out.determined = determined_;
    if (!(out.freedom > 0)) return out;
    const bool robust = request_.kind == CovarianceKind::sandwich || request_.kind == CovarianceKind::cluster;
    double correction = robust ? used_ / out.freedom : request_.absolute ? 1 : scatter_ / out.freedom;
    // Likelihoods know their scale; weights count relative to their mean.
    if (likelihood(objective_.loss) && request_.kind == CovarianceKind::hessian) correction = weight_ / used_;
    if (robust && !gather(correction, out.freedom)) return out;
    for (int64_t g = 0; g < request_.groups; ++g) if (count(g)) write(g, robust, correction, &out.groups[static_cast<size_t>(g) * p_ * p_]);
    return out;
  }

 private:
  int64_t begin(int64_t g) const { return request_.offsets[g]; }
  int64_t count(int64_t g) const { return request_.offsets[g + 1] - request_.offsets[g]; }

  Part make(RowModel& model, int64_t g) const {
    const auto n = static_cast<Eigen::Index>(count(g));
    const RowView range{begin(g), count(g)};
    const double* at = values_ + g * p_;
    std::vector<double> slope(n), majoriser(n), jacobian(n * p_);
    model.rows(at, range, {nullptr, slope.data(), majoriser.data(), nullptr, jacobian.data()}, model.objective(at, range) / static_cast<double>(n));
    Part part;
    for (int k = 0; k < p_; ++k) if (!request_.shared[k] && !active_[g * p_ + k]) part.own.push_back(k);
    const auto q = static_cast<Eigen::Index>(part.own.size()), m = static_cast<Eigen::Index>(shared_.size());
    Matrix own(n, q), shared(n, m), own_slopes(n, q), shared_slopes(n, m);
    for (Eigen::Index r = 0; r < n; ++r) {
      const double root = std::sqrt(std::max(majoriser[r], 0.0));
      if (majoriser[r] > 0) {
        part.used += 1;
        part.weight += table_.weight ? table_.weight[begin(g) + r] : 1;
        part.scatter += slope[r] * slope[r] / majoriser[r];
      }
      auto fill = [&](Matrix& to, Matrix& slopes, const std::vector<int>& which) {
        for (size_t k = 0; k < which.size(); ++k) {
          const double j = jacobian[r * p_ + which[k]];
          to(r, k) = root > 0 ? root * j : 0;
          slopes(r, k) = root > 0 ? slope[r] * j : 0;
        }
      };
      fill(own, own_slopes, part.own);
      fill(shared, shared_slopes, shared_);
    }
    if (!own.allFinite() || !shared.allFinite()) {
      part.lost.assign(q, 1);
      part.inverse = Matrix::Zero(q, q);
      part.coupling = Matrix::Zero(q, m);
      part.reduced = Matrix::Zero(m, m);
      part.full = Vector::Zero(m);
      part.shared_gradients = Matrix::Zero(n, m);
      part.own_gradients = Matrix::Zero(n, q);
      return part;
    }
    if (request_.kind == CovarianceKind::jacobian) from_slopes(part, own, shared);
    else from_hessian(part, model, at, range);
    if (request_.kind == CovarianceKind::sandwich || request_.kind == CovarianceKind::cluster) {
      part.own_gradients = own_slopes * part.inverse;
      part.shared_gradients = shared_slopes - own_slopes * part.coupling;
    }
    return part;
  }

  // J'J without ever making it: the shared columns less what the own ones explain of them.
  void from_slopes(Part& part, Matrix& own, const Matrix& shared) const {
    Vector scale = own.colwise().norm();
    for (Eigen::Index k = 0; k < own.cols(); ++k) {
      if (!(scale(k) > 0)) scale(k) = 1;
      own.col(k) /= scale(k);
    }
    const Projection found = project(own, shared, kRankTolerance);
    const Vector inverse = scale.cwiseInverse();
    part.inverse = inverse.asDiagonal() * found.inverse * inverse.asDiagonal();
    part.coupling = inverse.asDiagonal() * found.solution;
    part.reduced = found.remainder.transpose() * found.remainder;
    part.full = shared.colwise().squaredNorm();
    part.lost = found.lost;
    part.rank = found.rank;
  }

  void from_hessian(Part& part, RowModel& model, const double* at, const RowView& range) const {
    std::vector<double> full(static_cast<size_t>(p_) * p_);
    model.hessian(at, range, full.data());
    auto block = [&](const std::vector<int>& rows, const std::vector<int>& columns) {
      Matrix out(rows.size(), columns.size());
      for (size_t i = 0; i < rows.size(); ++i) for (size_t k = 0; k < columns.size(); ++k) out(i, k) = full[static_cast<size_t>(rows[i]) * p_ + columns[k]];
      return out;
    };
    const Matrix own = block(part.own, part.own), border = block(part.own, shared_), corner = block(shared_, shared_);
    const Inverse inverse = scaled_inverse(own, own.diagonal().cwiseAbs(), kLostShare);
    part.inverse = inverse.matrix;
    part.lost = inverse.lost;
    part.rank = inverse.rank;
    part.coupling = part.inverse * border;
    part.reduced = corner - border.transpose() * part.coupling;
    part.full = corner.diagonal().cwiseAbs();
  }

  // Sums of outer products over units, and the small-sample factor; false: too few clusters.
  bool gather(double& correction, double freedom) {
    const auto m = static_cast<Eigen::Index>(shared_.size());
    int64_t units = table_.rows;
    const bool clustered = request_.kind == CovarianceKind::cluster;
    if (clustered) {
      units = 1 + *std::max_element(request_.clusters, request_.clusters + table_.rows);
      if (units < 2) return false;
      correction = static_cast<double>(units) / static_cast<double>(units - 1) * (used_ - 1) / freedom;
    }
    unit_gradients_ = Matrix::Zero(m, units);
    for (int64_t g = 0; g < request_.groups; ++g)
      for (int64_t r = 0; r < count(g); ++r) unit_gradients_.col(unit(begin(g) + r)) += parts_[g].shared_gradients.row(r).transpose();
    meat_ = unit_gradients_ * unit_gradients_.transpose();
    return true;
  }
  int64_t unit(int64_t row) const { return request_.kind == CovarianceKind::cluster ? request_.clusters[row] : row; }

  void write(int64_t g, bool robust, double correction, double* out) const {
    const Part& part = parts_[g];
    const auto q = static_cast<Eigen::Index>(part.own.size()), m = static_cast<Eigen::Index>(shared_.size());
    const Matrix& c = left_.matrix;
    Matrix ss = c, us = -part.coupling * c, uu = part.inverse + part.coupling * c * part.coupling.transpose();
    if (robust) {
      std::vector<std::pair<int64_t, int64_t>> rows;   // (unit, row)
      for (int64_t r = 0; r < count(g); ++r) rows.emplace_back(unit(begin(g) + r), r);
      std::sort(rows.begin(), rows.end());
      Matrix cross = Matrix::Zero(m, q), own = Matrix::Zero(q, q);
      for (size_t k = 0; k < rows.size();) {
        const int64_t u = rows[k].first;
        Vector step = Vector::Zero(q);
        for (; k < rows.size() && rows[k].first == u; ++k) step += part.own_gradients.row(rows[k].second).transpose();
        cross += unit_gradients_.col(u) * step.transpose();
        own += step * step.transpose();
      }
      ss = c * meat_ * c;
      const Matrix su = c * cross;
      us = su.transpose() - part.coupling * ss;
      uu = own - part.coupling * su - (part.coupling * su).transpose() + part.coupling * ss * part.coupling.transpose();
    }
    auto place = [&](int i, int k, double value) { out[static_cast<size_t>(i) * p_ + k] = out[static_cast<size_t>(k) * p_ + i] = value * correction; };
    for (Eigen::Index a = 0; a < m; ++a)
      for (Eigen::Index b = 0; b <= a; ++b) place(shared_[a], shared_[b], left_.lost[a] || left_.lost[b] ? not_a_number : ss(a, b));
    for (Eigen::Index i = 0; i < q; ++i) {
      for (Eigen::Index k = 0; k <= i; ++k) place(part.own[i], part.own[k], part.lost[i] || part.lost[k] || !(uu(i, i) >= 0) ? not_a_number : uu(i, k));
      for (Eigen::Index a = 0; a < m; ++a) place(part.own[i], shared_[a], part.lost[i] || left_.lost[a] ? not_a_number : us(i, a));
    }
  }

  const CompiledLaw& law_;
  const TableView& table_;
  const ObjectiveSpec& objective_;
  const SharedCovarianceRequest& request_;
  const double* values_;
  const int8_t* active_;
  const int p_;
  std::vector<Part> parts_;
  std::vector<int> shared_;                 // free ones
  int64_t first_ = -1;
  double used_ = 0, scatter_ = 0, weight_ = 0, determined_ = 0;
  Inverse left_;
  Matrix unit_gradients_, meat_;
};

bool all_finite(const SharedCovarianceRequest& request, const double* values, int p) {
  for (int64_t g = 0; g < request.groups; ++g)
    if (request.offsets[g + 1] > request.offsets[g] && !std::all_of(values + g * p, values + (g + 1) * p, [](double v) { return std::isfinite(v); }))
      return false;
  return true;
}
}  // namespace

SharedCovariances shared_covariances(const CompiledLaw& law, const TableView& table, const ObjectiveSpec& objective,
                                     const SharedCovarianceRequest& request, const double* values, const int8_t* active) {
  const int p = law.natural.parameters;
  if (!all_finite(request, values, p)) {
    SharedCovariances out;
    out.groups.assign(static_cast<size_t>(request.groups) * p * p, not_a_number);
    return out;
  }
  return Arrow(law, table, objective, request, values, active).covariances();
}

std::vector<uint8_t> lost_shared(const CompiledLaw& law, const TableView& table, const ObjectiveSpec& objective,
                                 const SharedCovarianceRequest& request, const double* values, const int8_t* active) {
  const int p = law.natural.parameters;
  if (!all_finite(request, values, p)) return std::vector<uint8_t>(p, 0);
  return Arrow(law, table, objective, request, values, active).lost();
}

}  // namespace lawfit
