"""Reads a law as a constant plus powers of single variables, however it is written.

``E + A/N**alpha``, ``E + (Nc/N)**alpha``, ``exp(e) + exp(a - alpha*log(N))`` and
``exp(logsumexp(e, a - alpha*log(N)))`` all have the same terms.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from .expression import Expression, Leaf, Node, parse

if TYPE_CHECKING:
    from .law import Law

__all__ = ["NotAPowerSum", "Power", "power_sum"]


class NotAPowerSum(ValueError):
    """The law is not a constant plus powers of single variables."""


class Power(NamedTuple):
    """``coefficient * product of variable**power``; arrays over k parameter vectors."""

    coefficient: np.ndarray
    powers: dict[str, np.ndarray]


def power_sum(law: Law, values: np.ndarray) -> list[Power]:
    """The terms of a law at ``values[k, parameters]``; the sum of them is the law.

    Raises NotAPowerSum, a ValueError, when a term is not a power.

    >>> from lawfit import Law
    >>> law = Law("E + A*exp(-alpha*log(N))", ["N"])
    >>> [(term.coefficient.round(9).tolist(), {name: p.tolist() for name, p in term.powers.items()})
    ...  for term in power_sum(law, np.array([[1.5, 2.0, 0.5]]))]
    [([1.5], {}), ([2.0], {'N': [-0.5]})]
    """
    try:
        return _Reader(law, values).terms()
    except RecursionError:  # a chain of thousands of factors is not a law with two powers
        raise NotAPowerSum from None


class _Reader:
    def __init__(self, law: Law, values: np.ndarray) -> None:
        self.expression = parse(law.formula)
        self.nodes = self.expression.nodes
        self.parameters = {name: at for at, name in enumerate(law.parameters)}
        self.values = np.ascontiguousarray(values, dtype=np.float64)
        self.has_variable: list[bool] = []
        for node in self.nodes:
            own = node.kind == "name" and node.name in law.variables
            self.has_variable.append(own or any(self.has_variable[arg] for arg in node.args))

    def terms(self) -> list[Power]:
        found: list[Power] = []
        todo = [(1.0, len(self.nodes) - 1)]
        while todo:
            sign, at = todo.pop()
            node = self.nodes[at]
            if node.kind in ("+", "-") and self.has_variable[at]:
                todo.append((sign if node.kind == "+" else -sign, node.args[1]))
                todo.append((sign, node.args[0]))
            elif node.kind == "neg" and self.has_variable[at]:
                todo.append((-sign, node.args[0]))
            elif node.kind == "exp" and self.nodes[node.args[0]].kind in ("logsumexp", "logaddexp"):
                logs = [self.log_power(arg) for arg in self.nodes[node.args[0]].args]
                found += [Power(sign * np.exp(log.coefficient), log.powers) for log in logs]
            else:
                power = self.power(at)
                found.append(Power(sign * power.coefficient, power.powers))
        return found

    def constant(self, at: int) -> np.ndarray:
        """The value of a part without variables, one a parameter vector."""
        from . import _core

        part = Expression("", None, (), self.nodes[: at + 1])
        leaves = {
            node.name: Leaf("PARAM", self.parameters[node.name])
            if node.name in self.parameters
            else Leaf("CONST", -1, 1.0)  # a variable: not part of this value
            for node in part.nodes
            if node.kind == "name"
        }
        graph = part.graph(leaves, _core.opcodes())
        return np.asarray(_core.evaluate(graph, self.values, [np.ones(1)]))[:, 0]

    def power(self, at: int) -> Power:
        node = self.nodes[at]
        if not self.has_variable[at]:
            return Power(self.constant(at), {})
        if node.kind == "name":
            one = np.ones(len(self.values))
            return Power(one, {node.name: one})
        with np.errstate(all="ignore"):
            match node:
                case Node(kind="*"):
                    return _times(self.power(node.args[0]), self.power(node.args[1]))
                case Node(kind="/"):
                    below = _raised(self.power(node.args[1]), np.float64(-1))
                    return _times(self.power(node.args[0]), below)
                case Node(kind="neg"):
                    inner = self.power(node.args[0])
                    return Power(-inner.coefficient, inner.powers)
                case Node(kind="sqrt"):
                    return _raised(self.power(node.args[0]), np.float64(0.5))
                case Node(kind="**") if not self.has_variable[node.args[1]]:
                    return _raised(self.power(node.args[0]), self.constant(node.args[1]))
                case Node(kind="exp"):
                    log = self.log_power(node.args[0])
                    return Power(np.exp(log.coefficient), log.powers)
        raise NotAPowerSum

    def log_power(self, at: int) -> Power:
        """The logarithm of a power: ``coefficient`` is then the logarithm of one."""
        node = self.nodes[at]
        if not self.has_variable[at]:
            return Power(self.constant(at), {})
        match node:
            case Node(kind="+"):
                return _plus(self.log_power(node.args[0]), self.log_power(node.args[1]))
            case Node(kind="-"):
                right = _scaled(self.log_power(node.args[1]), np.float64(-1))
                return _plus(self.log_power(node.args[0]), right)
            case Node(kind="neg"):
                return _scaled(self.log_power(node.args[0]), np.float64(-1))
            case Node(kind="*") if not self.has_variable[node.args[0]]:
                return _scaled(self.log_power(node.args[1]), self.constant(node.args[0]))
            case Node(kind="*") if not self.has_variable[node.args[1]]:
                return _scaled(self.log_power(node.args[0]), self.constant(node.args[1]))
            case Node(kind="/") if not self.has_variable[node.args[1]]:
                return _scaled(self.log_power(node.args[0]), 1 / self.constant(node.args[1]))
            case Node(kind="log" | "log10" | "log2"):
                inner = self.power(node.args[0])
                base = {"log": 1.0, "log10": np.log(10), "log2": np.log(2)}[node.kind]
                log = Power(np.log(inner.coefficient), inner.powers)
                return _scaled(log, np.float64(1 / base))
        raise NotAPowerSum


def _times(left: Power, right: Power) -> Power:
    return Power(left.coefficient * right.coefficient, _added(left.powers, right.powers))


def _plus(left: Power, right: Power) -> Power:
    return Power(left.coefficient + right.coefficient, _added(left.powers, right.powers))


def _added(left: dict[str, np.ndarray], right: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    return {
        name: left.get(name, np.float64(0)) + right.get(name, np.float64(0))
        for name in (*left, *(other for other in right if other not in left))
    }


def _raised(power: Power, exponent: Any) -> Power:
    powers = {name: value * exponent for name, value in power.powers.items()}
    return Power(power.coefficient**exponent, powers)


def _scaled(log: Power, factor: Any) -> Power:
    powers = {name: value * factor for name, value in log.powers.items()}
    return Power(log.coefficient * factor, powers)
