"""Fits scaling laws: the true optimum of any typed law, with intervals, natively and fast."""

from typing import TYPE_CHECKING, Any

from . import datasets, plots
from .accuracy import DecisionAccuracy, decision_accuracy
from .allocate import Allocation
from .approaches import Approaches, approaches
from .archive import load
from .bootstrap import Bootstrap
from .bootstraps import Bootstraps
from .catalogue import laws
from .checklist import Checklist
from .cost import attention_cost
from .crossing import Crossing, Multiplier, crossing, multiplier
from .data import Rows
from .derive import Derived, DerivedReplicates
from .diagnose import Diagnosis
from .envelope import Envelope, envelope
from .errors import FitError, FitWarning, LawError
from .filters import FilterError
from .fit import fit
from .fits import Fits
from .installation import info
from .isoflop import IsoFlop, isoflop
from .law import Law, Parameter, as_law
from .likelihoods import Binomial, Gaussian, NegativeBinomial, Poisson, StudentT
from .losses import Absolute, Cauchy, Huber, LogCosh, Quantile, SoftL1, Squared
from .many import fit_many
from .priors import LogNormal, Normal, Ridge
from .profile import Profile
from .comparison import Comparison, published
from .prediction import Prediction
from .result import Fit, Starts
from .trace import law

if TYPE_CHECKING:
    from . import families, schedules, transforms
    from .literature import Protocol, protocols

__version__ = "0.1.0"

__all__ = [
    "Absolute",
    "Allocation",
    "Approaches",
    "Binomial",
    "Bootstrap",
    "Bootstraps",
    "Cauchy",
    "Checklist",
    "Crossing",
    "DecisionAccuracy",
    "Comparison",
    "Derived",
    "DerivedReplicates",
    "Diagnosis",
    "Envelope",
    "FilterError",
    "Fit",
    "FitError",
    "FitWarning",
    "Fits",
    "Gaussian",
    "Huber",
    "IsoFlop",
    "Law",
    "LawError",
    "LogCosh",
    "LogNormal",
    "Normal",
    "Multiplier",
    "NegativeBinomial",
    "Parameter",
    "Poisson",
    "Prediction",
    "Profile",
    "Protocol",
    "Quantile",
    "Ridge",
    "Rows",
    "SoftL1",
    "Squared",
    "Starts",
    "StudentT",
    "approaches",
    "as_law",
    "attention_cost",
    "crossing",
    "datasets",
    "decision_accuracy",
    "envelope",
    "families",
    "fit",
    "fit_many",
    "info",
    "isoflop",
    "law",
    "laws",
    "load",
    "multiplier",
    "plots",
    "protocols",
    "published",
    "schedules",
    "transforms",
]

# What few programs use is imported when first asked for: name -> the module that has or is it.
_LATER = {
    "Protocol": "literature", "protocols": "literature", "families": "families",
    "schedules": "schedules", "transforms": "transforms",
}


def __getattr__(name: str) -> Any:
    if name not in _LATER:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    module = import_module(f".{_LATER[name]}", __name__)
    value = globals()[name] = module if _LATER[name] == name else getattr(module, name)
    return value
