"""Transforms and schedules: values worked out by hand, and the shared list where it is at hand."""

from __future__ import annotations

import math
from itertools import combinations

import numpy as np
import pytest

import lawfit as lf
from lawfit import schedules, transforms
from lawfit.catalogue import ELSEWHERE

# The shared list's entries without anything to fit: formula there, function here.
SAME = {
    "kaplan_S_min": ("minimum_steps", ("S", "B", "B_crit")),
    "kaplan_C_min": ("minimum_compute", ("C", "B", "B_crit")),
    "sardana_total_flops": ("lifetime_flops", ("N", "D", "D_inf")),
    "sardana_wedge": ("inference_wedge", ("D", "D_inf")),
    "mccandlish_noise_scale": ("noise_scale", ("tr_sigma", "G2")),
    "elusive_choice_prob": ("choice_probability", ("p_c", "p_i")),
    "projektor_stage2": ("log_linear_extrapolation", ("N", "N0", "N1", "Y0", "Y1")),
    "zero_params": ("transformer_parameters", ("nl", "hd")),
    "gw_rF_k": ("fresnel_wavenumber", ("f", "z", "d_eff")),
    "ews_ar1": ("lag_one_correlation", ("lam", "dt")),
    "bon_kl": ("best_of_n_divergence", ("n",)),
    "replication_bf_normal": ("replication_bayes_factor", ("zo", "d", "c")),
    "crossing_two_power": ("crossing_point", ("A1", "alpha1", "A2", "alpha2")),
    "valid_prediction_time": ("valid_prediction_time", ("tol", "e0", "lam")),
}


def test_transforms_are_what_the_shared_list_says(shared_laws) -> None:
    for id_, (name, order) in SAME.items():
        entry = shared_laws[id_]
        given = dict(entry["variable_example"])
        given |= {p["name"]: p["typical"] for p in entry["parameters"]}
        value = getattr(transforms, name)(*(given[key] for key in order))
        assert float(value) == pytest.approx(entry["value_at_example"], rel=1e-9), id_


def test_everything_of_the_shared_list_has_a_place(shared_laws) -> None:
    """Every entry is a law, is found elsewhere, or is a part of an objective or a diagnostic."""
    rest = {id_ for id_ in shared_laws if id_ not in lf.laws and id_ not in ELSEWHERE}
    assert {shared_laws[id_]["group"] for id_ in rest} == {"M"}
    assert not set(ELSEWHERE) & set(lf.laws)


def test_what_is_elsewhere_exists() -> None:
    for id_, where in ELSEWHERE.items():
        with pytest.raises(KeyError, match="no law of the catalogue, as it has nothing to fit"):
            lf.laws[id_]
        value = lf
        head, _, rest = where.partition('["')
        for part in head.split(".")[1:]:
            value = getattr(value, part)
        if rest:
            law, derived = rest.split('"].derived["')
            assert derived.removesuffix('"]') in lf.laws[law].derived
        else:
            assert callable(value)


def test_pass_at_k_counts_subsets() -> None:
    outcomes = [True, True, False, False, False, True, False]
    subsets = list(combinations(outcomes, 3))
    share = sum(any(subset) for subset in subsets) / len(subsets)
    assert transforms.pass_at_k(7, 3, 3) == pytest.approx(share, rel=1e-14)
    assert transforms.pass_at_k([5, 5], [0, 5], 2).tolist() == [0.0, 1.0]
    for arguments in ((4, 2, 5), (4, 2, 0), (4, 5, 2), (4, -1, 2)):
        with pytest.raises(ValueError, match="k:|passed"):
            transforms.pass_at_k(*arguments)


def test_hill_exponent_of_a_known_tail() -> None:
    sizes = 3.0 * (1 - np.random.default_rng(2).random(20_000)) ** (-1 / 1.85)
    exponent, error = transforms.hill_exponent(sizes, 3.0)
    assert error == pytest.approx(1.85 / math.sqrt(20_000), rel=0.05)
    assert abs(exponent - 2.85) < 4 * error
    with pytest.raises(ValueError, match="at least two"):
        transforms.hill_exponent([1.0, 2.0], 2.0)


def test_annealing_sums_by_definition() -> None:
    rates = np.r_[np.full(6, 1.0), np.linspace(1, 0.1, 7)]
    first, second = schedules.annealing_sums(rates, decay=0.9)
    for step in range(len(rates)):
        double = sum((rates[k - 1] - rates[k]) * 0.9 ** (i - k)
                     for i in range(step + 1) for k in range(1, i + 1))
        assert second[step] == pytest.approx(double, rel=1e-12, abs=1e-15)
        assert first[step] == pytest.approx(rates[: step + 1].sum(), rel=1e-14)


def test_drop_sum_by_definition_and_in_closed_form() -> None:
    rates = np.r_[np.full(5, 1e-3), np.linspace(1e-3, 1e-4, 9), np.full(4, 1e-4)]
    C, beta, gamma = 2.0, 0.6, 0.64
    found = schedules.drop_sum(rates, C, beta, gamma)
    for step in range(len(rates)):
        total = sum((rates[k] - rates[k - 1]) * (1 - (1 + C * rates[k] ** -gamma
                    * rates[k : step + 1].sum()) ** -beta) for k in range(1, step + 1))
        assert found[step] == pytest.approx(total, rel=1e-12, abs=1e-18)
    assert schedules.drop_sum(rates, C, beta, gamma, at=[3, 17]).tolist() == found[[3, 17]].tolist()
    one = np.r_[np.full(50, 3e-3), np.full(70, 3e-4)]
    law, typical = lf.laws["mpl_two_stage"], lf.laws["mpl_two_stage"].typical
    sums = schedules.rate_sum(one)
    drops = schedules.drop_sum(one, typical["C"], typical["beta"], typical["gam"])
    both = lf.laws["mpl_loss"](S1=sums, LD=drops, **{
        name: typical[name] for name in ("L0", "A", "alpha", "B")})
    closed = law(S1=sums[50:], ea=3e-3, eb=3e-4, S2=sums[50:] - sums[49], **typical)
    np.testing.assert_allclose(both[50:], closed, rtol=1e-13)


def test_a_rate_of_zero_adds_nothing() -> None:
    found = schedules.drop_sum([1.0, 0.0, 0.0], C=2.0, beta=0.5, gamma=0.6)
    assert found.tolist() == [0.0, 0.0, 0.0]


@pytest.mark.parametrize("rates", [[], [[1.0]], [1.0, math.nan], [1.0, -1.0]])
def test_bad_schedules(rates: list) -> None:
    with pytest.raises(ValueError, match="rates: expected one axis"):
        schedules.rate_sum(rates)


def test_bad_arguments_of_schedules() -> None:
    with pytest.raises(ValueError, match="decay"):
        schedules.annealing_sums([1.0], decay=1.0)
    with pytest.raises(ValueError, match="share"):
        schedules.cooldown(10, 1.0, share=2.0)
    with pytest.raises(ValueError, match="at: steps"):
        schedules.drop_sum([1.0, 0.5], 1.0, 1.0, 1.0, at=[2])
    assert schedules.cooldown(4, 2.0, share=0.0).tolist() == [2.0] * 4
    rates = schedules.cooldown(100_000, 1e-3)
    assert rates[90_000] == pytest.approx(1e-3 * (1 - math.sqrt(0.5)), rel=1e-12)


def test_multi_power_law_on_schedules_it_has_not_seen(published) -> None:
    """Fitted to three published loss curves, the law meets six others within one per cent."""
    data = published("mpl_lr_schedule_curves.csv")
    warm_up, peak = 2160, 3e-4

    def curve(name: str) -> dict[str, np.ndarray]:
        own = (data["model_size"] == "25M") & (data["schedule"] == name)
        step = data["step"][own].astype(int)
        rates = np.interp(np.arange(step.max() + 1), step, data["lr"][own])
        if name.startswith("wsdcon"):  # one drop at step 8,000, between two rows of the table
            rates = np.where(np.arange(len(rates)) < 8000, peak, data["lr"][own][-1])
        rates[:warm_up] = peak * np.arange(warm_up) / warm_up
        drops = schedules.drop_sum(rates[warm_up:], 2.066, 0.583, 0.641, at=step - warm_up)
        return {"S1": schedules.rate_sum(rates)[step], "LD": drops, "loss": data["loss"][own]}

    fitted = [curve(name) for name in ("constant_24000", "cosine_24000", "wsdcon_9")]
    together = {key: np.concatenate([one[key] for one in fitted]) for key in fitted[0]}
    found = lf.fit("mpl_loss", together, on="log", loss=lf.Huber(1e-3))
    assert found.converged
    assert found.params["alpha"] == pytest.approx(0.508, abs=0.02)  # as published
    assert found.params["A"] == pytest.approx(0.525, abs=0.01)
    for name in ("wsdcon_3", "wsdcon_18", "wsd_20000_24000", "wsdld_20000_24000",
                 "constant_72000", "cosine_72000"):
        unseen = curve(name)
        off = found.predict(S1=unseen["S1"], LD=unseen["LD"]) / unseen["loss"] - 1
        assert np.abs(off).max() < 0.01, name
