"""Input transforms: columns that follow from others before anything is fitted.

The catalogue keeps laws, which have parameters to fit. What the literature computes from measured
quantities alone stands here, as functions of arrays that broadcast.

>>> import lawfit as lf
>>> round(float(lf.transforms.minimum_steps(250_000, batch=524_288, critical_batch=2_000_000)))
51924
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

__all__ = [
    "best_of_n_divergence", "choice_probability", "crossing_point", "fresnel_wavenumber",
    "hill_exponent", "inference_wedge", "lag_one_correlation", "lifetime_flops",
    "log_linear_extrapolation", "minimum_compute", "minimum_steps", "multifractal_spectrum",
    "noise_scale", "pass_at_k", "replication_bayes_factor", "transformer_parameters",
    "valid_prediction_time",
]


def _real(value: ArrayLike) -> Any:
    return np.asarray(value, dtype=np.float64)


def minimum_steps(steps: ArrayLike, batch: ArrayLike, critical_batch: ArrayLike) -> Any:
    """Training steps that a very large batch would have taken: S/(1 + B_crit/B).

    ``batch`` and ``critical_batch`` in the same unit. Kaplan et al. 2020 (`kaplan_S_min`); the
    input of the laws ``kaplan_L_NS`` and ``su_L_NS``.

    >>> float(minimum_steps(300.0, batch=1.0, critical_batch=2.0))
    100.0
    """
    return _real(steps) / (1.0 + _real(critical_batch) / _real(batch))


def minimum_compute(compute: ArrayLike, batch: ArrayLike, critical_batch: ArrayLike) -> Any:
    """Compute that a very small batch would have taken: C/(1 + B/B_crit).

    In the unit of ``compute``. Kaplan et al. 2020 (`kaplan_C_min`); the input of
    ``kaplan_L_Cmin``.

    >>> float(minimum_compute(3.0, batch=2.0, critical_batch=1.0))
    1.0
    """
    return _real(compute) / (1.0 + _real(batch) / _real(critical_batch))


def noise_scale(trace: ArrayLike, squared_gradient: ArrayLike) -> Any:
    """Simple noise scale: trace of the gradients' covariance over the squared gradient.

    A batch size in the unit (samples or tokens) over which the covariance was taken. McCandlish
    et al. 2018 (`mccandlish_noise_scale`).

    >>> float(noise_scale(100.0, 0.01))
    10000.0
    """
    return _real(trace) / _real(squared_gradient)


def lifetime_flops(params: ArrayLike, tokens: ArrayLike, inference_tokens: ArrayLike) -> Any:
    """Compute of training and serving a model: 6 N D + 2 N D_inf, in FLOP.

    Sardana et al. 2024 (`sardana_total_flops`).

    >>> f"{float(lifetime_flops(16.4e9, 3.27e12, 5e12)):.4g}"
    '4.858e+23'
    """
    params = _real(params)
    return 6.0 * params * _real(tokens) + 2.0 * params * _real(inference_tokens)


def inference_wedge(tokens: ArrayLike, inference_tokens: ArrayLike) -> Any:
    """Ratio of the loss's elasticities at the optimum that counts inference: 1 + D_inf/(3 D).

    Sardana et al. 2024 (`sardana_wedge`). Without inference both elasticities are equal.

    >>> float(inference_wedge(1.0, 3.0))
    2.0
    """
    return 1.0 + _real(inference_tokens) / (3.0 * _real(tokens))


def transformer_parameters(layers: ArrayLike, width: ArrayLike) -> Any:
    """Parameters of a transformer without embeddings: 12 times layers times width squared.

    Rajbhandari et al. 2021 (`zero_params`).

    >>> float(transformer_parameters(96, 12288)) / 1e9
    173.946175488
    """
    return 12.0 * _real(layers) * _real(width) ** 2


def choice_probability(correct: ArrayLike, incorrect: ArrayLike) -> Any:
    """Probability of the right option among the options: p_c/(p_c + p_i).

    ``correct`` is the model's probability of the right option, ``incorrect`` the sum over the
    others. Schaeffer et al. 2024 (`elusive_choice_prob`).

    >>> float(choice_probability(0.2, 0.3))
    0.4
    """
    correct = _real(correct)
    return correct / (correct + _real(incorrect))


def pass_at_k(samples: ArrayLike, passed: ArrayLike, k: int) -> Any:
    """Unbiased estimate of the chance that any of ``k`` samples passes, from counts.

    1 - C(n - c, k)/C(n, k) for n ``samples`` of which c ``passed``; average over problems for
    the coverage that ``monkeys_coverage`` describes. Chen et al. 2021; Brown et al. 2024.
    Raises ValueError when k is below 1 or above the number of samples, or passed is impossible.

    >>> float(pass_at_k(4, 2, 2).round(6))
    0.833333
    """
    total, good = np.broadcast_arrays(_real(samples), _real(passed))
    if k < 1 or np.any(total < k):
        raise ValueError(f"k: must be from 1 to the smallest number of samples, not {k}")
    if np.any((good < 0) | (good > total)):
        raise ValueError("passed: must lie between 0 and samples")
    missed = np.ones(total.shape)
    for drawn in range(k):
        missed *= np.maximum(total - good - drawn, 0.0) / (total - drawn)
    return 1.0 - missed


def best_of_n_divergence(n: ArrayLike) -> Any:
    """Divergence of the best of n samples from the policy they came from: log n - (n - 1)/n, nat.

    Gao et al. 2022 (`bon_kl`); its root is the variable of ``rm_bon``.

    >>> float(best_of_n_divergence(1))
    0.0
    """
    n = _real(n)
    return np.log(n) - (n - 1.0) / n


def crossing_point(
    height1: ArrayLike, exponent1: ArrayLike, height2: ArrayLike, exponent2: ArrayLike
) -> Any:
    """Where two powers height*x**-exponent are equal: (A1/A2)**(1/(alpha1 - alpha2)).

    For laws with the same floor. Infinite or 0 where exponents are equal (`crossing_two_power`).

    >>> float(crossing_point(8.0, 2.0, 2.0, 1.0))
    4.0
    """
    with np.errstate(divide="ignore", over="ignore"):
        return (_real(height1) / _real(height2)) ** (1.0 / (_real(exponent1) - _real(exponent2)))


def log_linear_extrapolation(
    at: ArrayLike, first: float, second: float, at_first: ArrayLike, at_second: ArrayLike
) -> Any:
    """The straight line in log N through two values, continued to N = ``at``.

    ``at_first`` was measured at N = ``first`` and ``at_second`` at ``second``. Kang et al. 2023
    (`projektor_stage2`).

    >>> float(log_linear_extrapolation(1e5, 1e3, 1e4, 0.6, 0.7).round(12))
    0.8
    """
    share = np.log(_real(at) / first) / math.log(second / first)
    return (1.0 - share) * _real(at_first) + share * _real(at_second)


def valid_prediction_time(tolerance: ArrayLike, error: ArrayLike, exponent: ArrayLike) -> Any:
    """Time until an exponentially growing error reaches a tolerance: log(tol/e0)/lambda.

    Gilpin 2021 (`valid_prediction_time`), with the constants of ``lyapunov_error``.

    >>> round(float(valid_prediction_time(0.3, 0.001, 0.9)), 3)
    6.338
    """
    return np.log(_real(tolerance) / _real(error)) / _real(exponent)


def hill_exponent(sizes: ArrayLike, smallest: float) -> tuple[float, float]:
    """Exponent of a power-law density by maximum likelihood, and its standard error.

    1 + n/sum(log(k/kmin)) over the ``sizes`` that are at least ``smallest`` (continuous
    approximation), with standard error (exponent - 1)/sqrt(n). Hill 1975 (`degree_powerlaw_mle`).
    Raises ValueError when fewer than two sizes reach ``smallest`` or all equal it.

    >>> exponent, error = hill_exponent([3, 5, 9, 20, 100], smallest=3)
    >>> round(exponent, 3), round(error, 3)
    (1.713, 0.319)
    """
    values = _real(sizes)
    logs = np.log(values[values >= smallest] / smallest)
    if len(logs) < 2 or not logs.sum() > 0:
        raise ValueError("sizes: at least two must reach smallest, and not all be equal to it")
    exponent = 1.0 + 1.0 / float(logs.mean())
    return exponent, (exponent - 1.0) / math.sqrt(len(logs))


def multifractal_spectrum(
    orders: ArrayLike, mass_exponents: ArrayLike
) -> tuple[np.ndarray, np.ndarray]:
    """Singularity strength and spectrum from mass exponents, by Legendre's transformation.

    ``mass_exponents`` is tau(q) at increasing ``orders`` q (fits of ``neuromfa_partition``).
    Returns alpha = d tau/d q and f = q*alpha - tau, of the same length (`multifractal_spectrum`).

    >>> strength, spectrum = multifractal_spectrum([0.0, 1.0, 2.0], [-1.0, 0.0, 1.0])
    >>> strength.tolist(), spectrum.tolist()
    ([1.0, 1.0, 1.0], [1.0, 1.0, 1.0])
    """
    order, mass = _real(orders), _real(mass_exponents)
    strength = np.gradient(mass, order)
    return strength, order * strength - mass


def fresnel_wavenumber(frequency: ArrayLike, redshift: ArrayLike, distance: ArrayLike) -> Any:
    """Wavenumber that diffraction of a wave probes: sqrt(2 pi f (1 + z)/d), with c = 1.

    ``distance`` is the effective distance of the lens, in the unit of 1/``frequency``
    (`gw_rF_k`).

    >>> f"{float(fresnel_wavenumber(0.1, 1.0, 1e17)):.4g}"
    '3.545e-09'
    """
    return np.sqrt(2.0 * np.pi * _real(frequency) * (1.0 + _real(redshift)) / _real(distance))


def lag_one_correlation(recovery_rate: ArrayLike, interval: ArrayLike = 1.0) -> Any:
    """Correlation of neighbouring samples of a linear system: exp(-lambda dt).

    Approaches 1 at a tipping point (`ews_ar1`).

    >>> round(float(lag_one_correlation(0.2)), 4)
    0.8187
    """
    return np.exp(-_real(recovery_rate) * _real(interval))


def replication_bayes_factor(
    original_z: ArrayLike, relative_effect: ArrayLike, variance_ratio: ArrayLike
) -> Any:
    """Evidence for no effect against the original effect, for normal estimates.

    ``original_z`` is the original estimate over its standard error, ``relative_effect`` the
    replication's estimate over the original one, ``variance_ratio`` the original squared
    standard error over that of the replication. Above 1 the replication speaks for no effect.
    Harms 2019 (`replication_bf_normal`).

    >>> round(float(replication_bayes_factor(2.8, 0.6, 1.0)), 4)
    0.4719
    """
    z, d, c = _real(original_z), _real(relative_effect), _real(variance_ratio)
    return np.sqrt(1.0 + c) * np.exp(-(z**2 / 2.0) * (d**2 * c - (1.0 - d) ** 2 / (1.0 / c + 1.0)))
