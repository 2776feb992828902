#include "nuisance.hpp"

#include <cmath>

namespace lawfit {

namespace {
// log(1 + x)/x with its first two derivatives, for x >= 0.
struct LogRatio { double q, d1, d2; };
LogRatio log_ratio(double x) {
  if (x < 0.02) {
    double q = 0, d1 = 0, d2 = 0;
    for (int k = 10; k >= 0; --k) {   // sum of (-x)^k / (k + 1)
      d2 = -x * d2 - 2 * d1;
      d1 = -x * d1 - q;
      q = -x * q + 1.0 / (k + 1);
    }
    return {q, d1, d2};
  }
  const double q = std::log1p(x) / x, d1 = (1 / (1 + x) - q) / x;
  return {q, d1, (-1 / ((1 + x) * (1 + x)) - 2 * d1) / x};
}

// log Gamma(y + 1/a) - log Gamma(1/a) + y log a = sum over j < y of log(1 + a j), with two derivatives
// by a. The first terms one by one, the rest by Euler and Maclaurin's formula.
struct Rising { double value, d1, d2; };
Rising log_rising(double y, double a) {
  constexpr double kDirect = 48;
  Rising sum{0, 0, 0};
  double j = 0;
  for (; j < y && j < kDirect; ++j) {
    const double t = j / (1 + a * j);
    sum.value += std::log1p(a * j);
    sum.d1 += t;
    sum.d2 -= t * t;
  }
  if (j >= y) return sum;
  // Integrals from 0: t times these functions of x = a t.
  auto integral = [&](double t) -> Rising {
    const double x = a * t;
    const LogRatio r = log_ratio(x);
    // ((1 + x) log(1 + x) - x)/a, and its derivatives: all are t^k times something of x.
    double f, g, h;
    if (x < 0.02) {
      f = g = h = 0;
      for (int k = 10; k >= 1; --k) {   // t sum of (-1)^(k+1) x^k / (k (k + 1))
        const double c = 1.0 / (k * (k + 1.0));
        const double sign = k % 2 ? 1 : -1;
        f += sign * c * std::pow(x, k);
        g += sign * c * k * std::pow(x, k - 1);
        if (k > 1) h += sign * c * k * (k - 1) * std::pow(x, k - 2);
      }
    } else {
      f = (1 + x) * r.q - 1;
      g = r.q + (1 + x) * r.d1;
      h = 2 * r.d1 + (1 + x) * r.d2;
    }
    return {t * f, t * t * g, t * t * t * h};
  };
  const Rising up = integral(y), low = integral(j);
  sum.value += up.value - low.value;
  sum.d1 += up.d1 - low.d1;
  sum.d2 += up.d2 - low.d2;
  // Corrections with f(t) = log(1 + a t) and its odd derivatives by t, up to the fifth.
  auto correct = [&](double t, double sign) {
    const double s = 1 + a * t, u = a / s;
    const double du = 1 / (s * s), d2u = -2 * t / (s * s * s);   // of a/s by a
    const double b[] = {1.0 / 12, -2.0 / 720, 24.0 / 30240};     // Bernoulli's numbers times (k - 1)! of u^k
    sum.value -= sign * 0.5 * std::log(s);
    sum.d1 -= sign * 0.5 * t / s;
    sum.d2 += sign * 0.5 * t * t / (s * s);
    double even = 1, odd = 0;                                     // u^(k - 1), (k - 1) u^(k - 2)
    for (int i = 0, k = 1; i < 3; ++i, k += 2) {
      sum.value += sign * b[i] * even * u;
      sum.d1 += sign * b[i] * k * even * du;
      sum.d2 += sign * b[i] * k * (odd * du * du + even * d2u);
      odd = (k + 1) * even * u;
      even *= u * u;
    }
  };
  correct(y, 1);
  correct(j, -1);
  return sum;
}

// log(Gamma(nu/2) sqrt(nu pi) / Gamma((nu + 1)/2)) by tail = 1/nu, with two derivatives.
struct Constant { double value, d1, d2; };
Constant student_constant(double tail) {
  constexpr double kHalfLogTwoPi = 0.91893853320467274178;
  if (tail < 1.0 / 40) {
    const double t = tail, t2 = t * t;
    return {kHalfLogTwoPi + t * (0.25 + t2 * (-1.0 / 24 + t2 * (1.0 / 20 - t2 * 17 / 112))),
            0.25 + t2 * (-1.0 / 8 + t2 * (0.25 - t2 * 17 / 16)), t * (-0.25 + t2 * (1 - t2 * 51 / 8))};
  }
  // D(x) = log Gamma(x + 1/2) - log Gamma(x) at x = nu/2, carried down from where its series holds.
  const double x = 0.5 / tail;
  double d = 0, d1 = 0, d2 = 0, z = x;
  for (; z < 20; ++z) {
    const double h = z + 0.5;
    d += std::log(z / h);
    d1 += 1 / z - 1 / h;
    d2 += 1 / (h * h) - 1 / (z * z);
  }
  const double i = 1 / z, i2 = i * i;
  d += 0.5 * std::log(z) - i * (1.0 / 8 - i2 * (1.0 / 192 - i2 * (1.0 / 640 - i2 * 17 / 14336)));
  d1 += 0.5 * i + i2 * (1.0 / 8 - i2 * (3.0 / 192 - i2 * (5.0 / 640 - i2 * 119 / 14336)));
  d2 += -0.5 * i2 - i * i2 * (2.0 / 8 - i2 * (12.0 / 192 - i2 * (30.0 / 640 - i2 * 952 / 14336)));
  const double c1 = -d1 + 0.5 / x, c2 = -d2 - 0.5 / (x * x);
  return {-d + 0.5 * std::log(x) + kHalfLogTwoPi, -2 * x * x * c1, 4 * x * x * x * x * c2 + 8 * x * x * x * c1};
}
}  // namespace

Density count_density(double m, double y, double a) {
  const Rising rising = log_rising(y, a);
  const double x = a * m, s = 1 + x;
  const LogRatio r = log_ratio(x);
  Density out;
  out.value = m * r.q + y * std::log1p(x) - (y > 0 ? y * std::log(m) : 0) - rising.value;
  out.first[0] = m * m * r.d1 + y * m / s - rising.d1;
  out.second[0] = m * m * m * r.d2 - y * m * m / (s * s) - rising.d2;
  out.cross[0] = -m / s;   // the slope is (m - y)/(m (1 + a m))
  return out;
}

Density student_density(double u, double scale, double tail) {
  const double x = tail * u, s = 1 + x, more = 1 + tail;
  const LogRatio r = log_ratio(x);
  const Constant c = student_constant(tail);
  Density out;
  out.value = std::log(scale) + c.value + 0.5 * more * u * r.q;
  out.first[0] = 1 - more * u / s;
  out.first[1] = c.d1 + 0.5 * (u * u * r.d1 + u / s);
  out.second[0] = 2 * more * u / (s * s);
  out.second[1] = -u * (1 - u) / (s * s);
  out.second[2] = c.d2 + 0.5 * (u * u * u * r.d2 - u * u / (s * s));
  out.cross[0] = -2 / s;
  out.cross[1] = (1 - u) / (more * s);
  return out;
}

NuisanceView::NuisanceView(const ObjectiveSpec& objective) {
  if (objective.free_scale) place[count++] = 0;
  if (objective.free_tail) place[count++] = 1;
}

namespace {
// density(weight, terms, row) for every row in use.
template <class Visit>
void each_density(RowModel& rows, const RowView& range, const std::vector<double>& model, const Visit& visit) {
  const TableData& table = rows.table();
  const ObjectiveSpec& objective = rows.objective();
  const LossNumbers numbers = rows.numbers(range);
  for (int64_t i = 0; i < range.count; ++i) {
    const int64_t r = range.begin + i;
    const double weight = range.weight ? range.weight[i] : table.weight.empty() ? 1 : table.weight[r];
    if (!(weight > 0)) continue;
    const double target = range.target ? range.target[i] : table.target[r];
    if (objective.loss == Loss::negative_binomial) {
      visit(i, weight, count_density(model[i], target, numbers.scale));
    } else {
      const double inverse = table.inverse_sigma.empty() ? 1 : table.inverse_sigma[r];
      const double z = (target - space_transform(objective.space, model[i])) * inverse / numbers.scale;
      visit(i, weight, student_density(z * z, numbers.scale, numbers.tail));
    }
  }
}
}  // namespace

NuisanceSums nuisance_sums(RowModel& rows, const RowView& range, const std::vector<double>& model, const std::vector<double>& slope) {
  const NuisanceView free(rows.objective());
  NuisanceSums sums;
  for (int k = 0; k < free.count; ++k) {
    sums.score[k].assign(range.count, 0.0);
    sums.cross[k].assign(range.count, 0.0);
  }
  each_density(rows, range, model, [&](int64_t i, double weight, const Density& d) {
    sums.value += weight * d.value;
    for (int k = 0; k < free.count; ++k) {
      const int at = free.place[k];
      sums.score[k][i] = weight * d.first[at];
      sums.cross[k][i] = slope[i] * d.cross[at];
      sums.first[k] += weight * d.first[at];
      for (int j = 0; j <= k; ++j) sums.second[k][j] += weight * d.second[at + free.place[j]];
    }
  });
  if (free.count == 2) sums.second[0][1] = sums.second[1][0];
  return sums;
}

// The density at a perfect fit: the loss is zero there.
double density_offset(RowModel& rows, const RowView& range) {
  const TableData& table = rows.table();
  const ObjectiveSpec& objective = rows.objective();
  const LossNumbers numbers = rows.numbers(range);
  const double student = objective.loss == Loss::student_t ? student_density(0, numbers.scale, numbers.tail).value : 0;
  double sum = 0;
  for (int64_t i = 0; i < range.count; ++i) {
    const double weight = range.weight ? range.weight[i] : table.weight.empty() ? 1 : table.weight[range.begin + i];
    if (!(weight > 0)) continue;
    const double target = range.target ? range.target[i] : table.target[range.begin + i];
    sum += weight * (objective.loss == Loss::student_t ? student : count_density(target, target, numbers.scale).value);
  }
  return sum;
}

}  // namespace lawfit
