// Ceres' TinySolver and Eigen's (unsupported) Levenberg-Marquardt on sums of powers, with exact
// Jacobians and the logarithms of the data taken beforehand: each peer's best case.
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <thread>
#include <vector>

#include <Eigen/Dense>
#ifdef HAVE_TINY_SOLVER
#include <ceres/tiny_solver.h>
#endif
#include <unsupported/Eigen/NonLinearOptimization>

namespace {

// theta = (E, A_1, alpha_1, ..., A_T, alpha_T); in the log form E and the A are logarithms.
template <int T, int N, bool Log>
struct Residuals {
  static constexpr int P = 2 * T + 1;
  const double* logs[T];
  const double* y;
  const double* root_weight;   // or null
  double delta;                // Huber's as s = sign(r) sqrt(2 rho(r)); 0: squared residuals

  void evaluate(const double* theta, double* r, double* jacobian) const {
    if constexpr (Log) log_form(theta, r, jacobian);
    else power_form(theta, r, jacobian);
    if (delta > 0) robust(r, jacobian);
    if (root_weight) weigh(r, jacobian);
  }

 private:
  void power_form(const double* theta, double* r, double* jacobian) const {
    for (int i = 0; i < N; ++i) r[i] = theta[0] - y[i];
    if (jacobian) std::fill_n(jacobian, N, 1.0);
    for (int t = 0; t < T; ++t) {
      const double a = theta[1 + 2 * t], alpha = theta[2 + 2 * t];
      const double* l = logs[t];
      for (int i = 0; i < N; ++i) {
        const double power = std::exp(-alpha * l[i]);
        r[i] += a * power;
        if (jacobian) {
          jacobian[(1 + 2 * t) * N + i] = power;
          jacobian[(2 + 2 * t) * N + i] = -a * power * l[i];
        }
      }
    }
  }
  void log_form(const double* theta, double* r, double* jacobian) const {
    for (int i = 0; i < N; ++i) {
      double z[T], top = theta[0];
      for (int t = 0; t < T; ++t) {
        z[t] = theta[1 + 2 * t] - theta[2 + 2 * t] * logs[t][i];
        top = std::max(top, z[t]);
      }
      double floor = std::exp(theta[0] - top), sum = floor;
      for (int t = 0; t < T; ++t) {
        z[t] = std::exp(z[t] - top);
        sum += z[t];
      }
      r[i] = top + std::log(sum) - y[i];
      if (!jacobian) continue;
      const double inverse = 1 / sum;
      jacobian[i] = floor * inverse;
      for (int t = 0; t < T; ++t) {
        jacobian[(1 + 2 * t) * N + i] = z[t] * inverse;
        jacobian[(2 + 2 * t) * N + i] = -z[t] * inverse * logs[t][i];
      }
    }
  }
  void robust(double* r, double* jacobian) const {
    for (int i = 0; i < N; ++i) {
      const double size = std::abs(r[i]);
      const bool inside = size <= delta;
      const double root = inside ? size : std::sqrt(2 * delta * (size - delta / 2));
      const double slope = inside ? 1 : delta / root;
      r[i] = std::copysign(root, r[i]);
      if (jacobian)
        for (int p = 0; p < P; ++p) jacobian[p * N + i] *= slope;
    }
  }
  void weigh(double* r, double* jacobian) const {
    for (int i = 0; i < N; ++i) r[i] *= root_weight[i];
    if (jacobian)
      for (int p = 0; p < P; ++p)
        for (int i = 0; i < N; ++i) jacobian[p * N + i] *= root_weight[i];
  }
};

#ifdef HAVE_TINY_SOLVER
template <int T, int N, bool Log>
struct Tiny {
  using Scalar = double;
  enum { NUM_RESIDUALS = N, NUM_PARAMETERS = 2 * T + 1 };
  Residuals<T, N, Log> residuals;
  bool operator()(const double* theta, double* r, double* jacobian) const {
    residuals.evaluate(theta, r, jacobian);
    return true;
  }
  static void solve(const Residuals<T, N, Log>& residuals, double* theta) {
    static thread_local ceres::TinySolver<Tiny> solver;
    solver.options.max_num_iterations = 400;
    solver.options.parameter_tolerance = 1e-8;
    solver.options.gradient_tolerance = 1e-14;
    solver.options.function_tolerance = 1e-12;   // compared with the absolute change in cost
    solver.options.cost_threshold = 0;
    Eigen::Matrix<double, 2 * T + 1, 1> x = Eigen::Map<Eigen::Matrix<double, 2 * T + 1, 1>>(theta);
    solver.Solve(Tiny{residuals}, &x);
    std::copy_n(x.data(), 2 * T + 1, theta);
  }
};
#endif

template <int T, int N, bool Log>
struct Lm {
  using Scalar = double;
  enum { InputsAtCompileTime = 2 * T + 1, ValuesAtCompileTime = N };
  using InputType = Eigen::Matrix<double, Eigen::Dynamic, 1>;
  using ValueType = Eigen::Matrix<double, Eigen::Dynamic, 1>;
  using JacobianType = Eigen::Matrix<double, Eigen::Dynamic, Eigen::Dynamic>;
  Residuals<T, N, Log> residuals;
  int inputs() const { return 2 * T + 1; }
  int values() const { return N; }
  int operator()(const InputType& theta, ValueType& r) const {
    residuals.evaluate(theta.data(), r.data(), nullptr);
    return 0;
  }
  int df(const InputType& theta, JacobianType& jacobian) const {
    ValueType r(N);
    residuals.evaluate(theta.data(), r.data(), jacobian.data());
    return 0;
  }
  static void solve(const Residuals<T, N, Log>& residuals, double* theta) {
    Lm functor{residuals};
    Eigen::LevenbergMarquardt<Lm> solver(functor);
    solver.parameters.maxfev = 400;
    solver.parameters.ftol = solver.parameters.xtol = 1e-8;
    InputType x = Eigen::Map<InputType>(theta, 2 * T + 1);
    solver.minimize(x);
    std::copy_n(x.data(), 2 * T + 1, theta);
  }
};

template <template <int, int, bool> class Peer, int T, int N, bool Log>
void fit_all(int64_t problems, const double* const* variables, const double* y, const double* weights, bool shared, double delta,
             const double* starts, double* theta, int threads) {
  constexpr int P = 2 * T + 1;
  std::copy_n(starts, problems * P, theta);
  auto work = [&](int64_t first, int64_t last) {
    std::vector<double> logs(T * N), target(N), roots(N);
    for (int64_t k = first; k < last; ++k) {
      const int64_t at = shared ? 0 : k * N;
      if (k == first || !shared) {
        for (int t = 0; t < T; ++t)
          for (int i = 0; i < N; ++i) logs[t * N + i] = std::log(variables[t][at + i]);
        for (int i = 0; i < N; ++i) target[i] = Log ? std::log(y[at + i]) : y[at + i];
      }
      if (weights)
        for (int i = 0; i < N; ++i) roots[i] = std::sqrt(weights[k * N + i]);
      Residuals<T, N, Log> residuals;
      for (int t = 0; t < T; ++t) residuals.logs[t] = &logs[t * N];
      residuals.y = target.data();
      residuals.root_weight = weights ? roots.data() : nullptr;
      residuals.delta = delta;
      Peer<T, N, Log>::solve(residuals, theta + k * P);
    }
  };
  std::vector<std::thread> others;
  for (int w = 1; w < threads; ++w) others.emplace_back(work, problems * w / threads, problems * (w + 1) / threads);
  work(0, problems / threads);
  for (auto& thread : others) thread.join();
}

template <template <int, int, bool> class Peer>
int dispatch(int64_t problems, int terms, int rows, bool log, const double* const* variables, const double* y, const double* weights,
             bool shared, double delta, const double* starts, double* theta, int threads) {
  if (terms == 1 && rows == 12 && !log) fit_all<Peer, 1, 12, false>(problems, variables, y, weights, shared, delta, starts, theta, threads);
  else if (terms == 2 && rows == 60 && !log) fit_all<Peer, 2, 60, false>(problems, variables, y, weights, shared, delta, starts, theta, threads);
  else if (terms == 2 && rows == 240 && log) fit_all<Peer, 2, 240, true>(problems, variables, y, weights, shared, delta, starts, theta, threads);
  else return 1;
  return 0;
}

}  // namespace

extern "C" {
int has_tiny_solver() {
#ifdef HAVE_TINY_SOLVER
  return 1;
#else
  return 0;
#endif
}
int fit_tiny_solver(int64_t problems, int terms, int rows, int log, const double* const* variables, const double* y,
                    const double* weights, int shared, double delta, const double* starts, double* theta, int threads) {
#ifdef HAVE_TINY_SOLVER
  return dispatch<Tiny>(problems, terms, rows, log, variables, y, weights, shared, delta, starts, theta, threads);
#else
  return 2;
#endif
}
int fit_eigen_lm(int64_t problems, int terms, int rows, int log, const double* const* variables, const double* y,
                 const double* weights, int shared, double delta, const double* starts, double* theta, int threads) {
  return dispatch<Lm>(problems, terms, rows, log, variables, y, weights, shared, delta, starts, theta, threads);
}
}
