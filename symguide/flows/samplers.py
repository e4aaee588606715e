"""The samplers people run: one-step laws of a masked position with rates frozen at the start of the step.

With the rates ``r_v`` of a masked position on the clock, their sum ``λ`` (``Z``, or 1 for the normalised rule), the
step ``δ = h β(t)`` of a frozen hazard and ``m = u'/u``, a law says with which probability each token is shown and the
mask stays. All masked positions move at once, independently given the context: see :mod:`symguide.flows.updates`.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from types import MappingProxyType
from typing import Any, TypeAlias

import numpy as np
import sympy

from symguide.errors import ClockError, SymguideError
from symguide.flows.flow import Kernel
from symguide.flows.steps import Step
from symguide.flows.support_updates import SupportKernel, SupportUpdates
from symguide.flows.updates import Menus, Updates
from symguide.numbers.arithmetic import FLOATS, SYMBOLIC, Arithmetic

__all__ = [
    "FINALS",
    "SAMPLERS",
    "Sampler",
    "ancestral",
    "argmax",
    "euler",
    "euler_entrywise",
    "exponential_jump",
    "joint",
    "step_kernel",
    "tau_leaping",
]

PositionLaw: TypeAlias = tuple[np.ndarray, np.ndarray]
"""``(n, m)`` and ``(n, 1)``: the probability of every token, and that the mask stays."""


def ancestral(menus: Menus, step: Step, proposals: np.ndarray) -> PositionLaw:
    """``P(v) = (1 − m^λ) r_v/λ``: exact for one position; normalised, ``(1 − m) q_v/Z``.

    Equal to Tweedie's and the analytic sampler for exact masked scores.

    References
    ----------
    Sahoo et al. (MDLM), arXiv:2406.07524; Shi et al. (MD4), arXiv:2406.04329; Schiff et al. (D-CFG), arXiv:2412.10193.

    >>> from symguide.numbers.arithmetic import RATIONAL
    >>> half = Step(Fraction(1), Fraction(1, 2), Fraction(1, 2), Fraction(1, 2))
    >>> shown, stay = ancestral(_example(RATIONAL), half, np.array([]))
    >>> shown.tolist(), stay.tolist()
    ([[Fraction(3, 16), Fraction(9, 16)]], [[Fraction(1, 4)]])
    """
    stay = _power(step.survival, menus.paces, menus.arithmetic)
    return (1 - stay) * menus.shares, stay


def euler(menus: Menus, step: Step, proposals: np.ndarray) -> PositionLaw:
    """``P(v) = δ r_v`` while ``δλ ≤ 1``, then ``r_v/λ``: clamped at one and renormalised.

    References
    ----------
    Lou et al. (SEDD), arXiv:2310.16834; Rojas et al., arXiv:2507.08965, for molecules.

    >>> from symguide.numbers.arithmetic import RATIONAL
    >>> half = Step(Fraction(1), Fraction(1, 2), Fraction(1, 2), Fraction(1, 2))
    >>> euler(_example(RATIONAL), half, np.array([]))[0].tolist()
    [[Fraction(1, 4), Fraction(3, 4)]]
    """
    jumps = _least(_frozen(step, menus) * menus.paces, menus.arithmetic)
    return jumps * menus.shares, 1 - jumps


def euler_entrywise(menus: Menus, step: Step, proposals: np.ndarray) -> PositionLaw:
    """``P(v) = min(1, δ r_v) / max(1, Σ_u min(1, δ r_u))``: large rates are flattened to equal probability.

    References
    ----------
    Nisonoff et al., arXiv:2406.01572, whose code clamps every entry of the step.

    >>> from symguide.numbers.arithmetic import RATIONAL
    >>> full = Step(Fraction(1), Fraction(0), Fraction(2), Fraction(0))
    >>> euler_entrywise(_example(RATIONAL), full, np.array([]))[0].tolist()
    [[Fraction(1, 2), Fraction(1, 2)]]
    """
    clamped = _least(_frozen(step, menus) * menus.rates, menus.arithmetic)
    whole = clamped.sum(axis=1, keepdims=True)
    jumps = _least(whole, menus.arithmetic)
    # max(1, whole) = whole + 1 − min(1, whole).
    return clamped / (whole + 1 - jumps), 1 - jumps


def tau_leaping(menus: Menus, step: Step, proposals: np.ndarray) -> PositionLaw:
    """``P(v) = δ r_v e^{−Λ}`` with ``Λ = δλ``: Poisson numbers of jumps, more than one rejected.

    For large ``Λ`` the position freezes: the mask stays with ``1 − Λ e^{−Λ}``.

    References
    ----------
    Campbell et al. (τ-leaping for denoising; rejection is an option of its code), arXiv:2205.14987; Rojas et al.,
    arXiv:2507.08965, for images.

    >>> tiny = Step(1.0, 0.9, 0.1, 0.9)
    >>> tau_leaping(_example(FLOATS), tiny, np.array([]))[1].round(6)
    array([[0.836254]])
    """
    mean = _frozen(step, menus) * menus.paces
    jumps = mean * _decay(mean, menus.arithmetic)
    return jumps * menus.shares, 1 - jumps


def exponential_jump(menus: Menus, step: Step, proposals: np.ndarray) -> PositionLaw:
    """``P(v) = p_u(v) (1 − e^{−δ r_v/p_u(v)})``: draw ``v ~ p_u``, then jump with the guided intensity of ``v``.

    References
    ----------
    Lipman et al. (the flow_matching library), arXiv:2412.06264; Discrete Guidance Matching, ICLR 2026.

    >>> tiny = Step(1.0, 0.9, 0.1, 0.9)
    >>> exponential_jump(_example(FLOATS), tiny, np.array([[0.5, 0.5]]))[0].round(6)
    array([[0.047581, 0.129591]])
    """
    nothing, some = menus.arithmetic.number(Fraction(0)), (proposals != 0).astype(bool)
    means = _frozen(step, menus) * menus.rates / np.where(some, proposals, menus.arithmetic.number(Fraction(1)))
    shown = np.where(some, proposals * (1 - _decay(means, menus.arithmetic)), nothing)
    stay = 1 - shown.sum(axis=1, keepdims=True)
    return shown, np.maximum(stay, 0.0) if menus.arithmetic is FLOATS else stay


def joint(menus: Menus, step: Step, proposals: np.ndarray) -> PositionLaw:
    """``P(v) = (1 − m) r_v / (m + (1 − m) λ)``: the one-step posterior guided over tokens and mask together.

    Tokens have ``((1 − m) p_c)^{1+w} ((1 − m) p_u)^{−w} = (1 − m) q_v``, the mask ``m^{1+w} m^{−w} = m``, and the whole
    is normalised. As ``m → 1`` a token is shown at the rate ``r_v``: the continuous limit is the *raw* rule.

    References
    ----------
    Schiff et al. (D-CBG, and D-CFG in its uniform branch), arXiv:2412.10193.

    >>> from symguide.numbers.arithmetic import RATIONAL
    >>> half = Step(Fraction(1), Fraction(1, 2), Fraction(1, 2), Fraction(1, 2))
    >>> joint(_example(RATIONAL), half, np.array([]))[1].tolist()
    [[Fraction(1, 3)]]
    """
    stay = menus.arithmetic.number(step.survival)
    tokens = (1 - stay) * menus.paces
    jumps = tokens / np.where(menus.alive, stay + tokens, menus.arithmetic.number(Fraction(1)))
    return jumps * menus.shares, 1 - jumps


OneStep: TypeAlias = Callable[[Menus, Step, np.ndarray], PositionLaw]


@dataclass(frozen=True, slots=True)
class Sampler:
    """A way to take finitely many steps.

    Attributes
    ----------
    law
        The one-step law of a masked position; ``None`` where steps are no such law.
    rule
        The guidance rule that it is run with.
    description, source
        One line on it, and whom to cite.
    frozen_hazard
        Whether it multiplies by ``h β(t)``, which has to be finite where a step starts.

    >>> SAMPLERS["joint"].rule
    'rate'
    """

    law: OneStep | None
    rule: str
    description: str
    source: str
    frozen_hazard: bool = False


SAMPLERS: Mapping[str, Sampler] = MappingProxyType(
    {
        "ancestral": Sampler(
            ancestral,
            "normalised",
            "shows v with (1 - m^L) r_v/L; m = u'/u, rates r_v with sum L",
            "Sahoo et al. (MDLM), arXiv:2406.07524; Shi et al. (MD4), arXiv:2406.04329; Schiff et al. (D-CFG), "
            "arXiv:2412.10193",
        ),
        "euler": Sampler(
            euler,
            "rate",
            "h r_v while the sum is at most 1, then r_v over its sum",
            "Lou et al. (SEDD), arXiv:2310.16834; Rojas et al., arXiv:2507.08965",
            True,
        ),
        "euler-entrywise": Sampler(
            euler_entrywise,
            "rate",
            "min(1, h r_v) over the larger of 1 and their sum",
            "Nisonoff et al., arXiv:2406.01572",
            True,
        ),
        "tau-leaping": Sampler(
            tau_leaping,
            "rate",
            "h r_v exp(-sum): Poisson jumps, more than one rejected",
            "Campbell et al., arXiv:2205.14987; Rojas et al., arXiv:2507.08965",
            True,
        ),
        "exponential-jump": Sampler(
            exponential_jump,
            "rate",
            "v from p(v|x), shown with 1 - exp(-h r_v/p(v|x))",
            "Lipman et al. (flow_matching), arXiv:2412.06264; Discrete Guidance Matching, ICLR 2026",
            True,
        ),
        "joint": Sampler(
            joint,
            "rate",
            "one-step posterior over tokens and mask, guided and normalised together",
            "Schiff et al. (D-CBG), arXiv:2412.10193",
        ),
        "first-hitting": Sampler(
            None,
            "normalised",
            "the times of reveals drawn exactly, t <- t U^(1/n): no discretisation",
            "Zheng et al., arXiv:2409.02908; Arriola et al. (bd3lms), arXiv:2503.09573",
        ),
        "confidence": Sampler(
            None,
            "normalised",
            "every mask draws, a fixed number of the most probable draws is kept",
            "Chang et al. (MaskGIT), arXiv:2202.04200; Nie et al. (LLaDA), arXiv:2502.09992; Xie et al. (Show-o), "
            "arXiv:2408.12528",
        ),
    }
)
"""Read-only: the samplers by name."""

FINALS: Mapping[str, str] = MappingProxyType(
    {
        "argmax": "every mask shows its most probable token under guidance, of equals the first",
        "ancestral": "every mask draws from the normalised guided law",
        "unguided": "every mask draws from the conditional law without guidance, w = 0",
    }
)
"""Read-only: what may happen to masks after the last step, as a step of its own."""


def step_kernel(
    name: str, updates: Updates | SupportUpdates, menus: Menus, step: Step, proposals: np.ndarray | None = None
) -> Kernel | SupportKernel:
    """One step of a sampler that is a law of each masked position.

    Parameters
    ----------
    name
        A key of :data:`SAMPLERS`.
    updates, menus
        Contexts and moves, and their rates at one strength.
    step
        The step.
    proposals
        ``p_u(v|x_S)`` of every token, for ``exponential-jump``.

    Raises
    ------
    SymguideError
        For a sampler whose step is no such law.
    ClockError
        For a frozen hazard that is infinite.

    >>> from symguide.instances.datasets import load
    >>> from symguide.laws.tilt import guidance
    >>> from symguide.flows.updates import parallel_updates
    >>> found = parallel_updates(guidance(load("interval-overlap")))
    >>> tenth = Step(1.0, 0.9, 0.1, 0.9)
    >>> step_kernel("euler", found, found.menus(FLOATS, 1.0), tenth).probabilities[0].round(6)
    np.float64(0.833333)
    """
    sampler = SAMPLERS.get(name)
    if sampler is None or sampler.law is None:
        known = ", ".join(key for key, value in SAMPLERS.items() if value.law is not None)
        raise SymguideError(f"sampler {name!r} has no one-step law of a masked position; choose one of {known}")
    if sampler.frozen_hazard and not step.has_finite_hazard:
        raise ClockError(
            f"sampler {name!r}: the hazard is infinite at t = {step.start}, so a step with rates frozen there is not "
            "defined; start later, or use ancestral, joint or first-hitting"
        )
    if name == "exponential-jump" and proposals is None:
        raise SymguideError(f"sampler {name!r} draws from the unconditional law, which is missing; give proposals")
    shown, stay = sampler.law(menus, step, np.array([]) if proposals is None else proposals)
    return updates.kernel(shown, stay, menus.arithmetic)


def argmax(updates: Updates | SupportUpdates, w: Any, arithmetic: Arithmetic) -> np.ndarray:
    """``(n, m)``: 1 for the token of the largest ``q_v`` of every position, the first of equals, else 0.

    >>> from symguide.instances.datasets import load
    >>> from symguide.laws.tilt import guidance
    >>> from symguide.flows.updates import parallel_updates
    >>> argmax(parallel_updates(guidance(load("interval-overlap"))), Fraction(1), FLOATS)
    array([[0., 0., 1., 0., 0., 0.]])
    """
    ranks = updates.ranks(w)
    best = np.zeros(ranks.shape, dtype=bool)
    if ranks.size:
        best[np.arange(len(ranks)), ranks.argmax(axis=1)] = True
    one, nothing = (arithmetic.number(Fraction(number)) for number in (1, 0))
    return np.where(best, one, nothing)


def _example(arithmetic: Arithmetic) -> Menus:
    """One masked position with the rates 1/2 and 3/2, to see one-step laws by.

    >>> _example(FLOATS).shares
    array([[0.25, 0.75]])
    """
    rates, shares, paces = (
        np.array([[arithmetic.number(Fraction(value)) for value in row]])
        for row in (("1/2", "3/2"), ("1/4", "3/4"), ("2",))
    )
    return Menus(rates, shares, paces, np.array([[True]]), arithmetic)


def _frozen(step: Step, menus: Menus) -> Any:
    return menus.arithmetic.number(step.pace)


def _power(base: Any, exponents: np.ndarray, arithmetic: Arithmetic) -> np.ndarray:
    """``m^λ``; 0 where ``m`` is."""
    if base == 0:
        return np.zeros_like(exponents) if arithmetic is FLOATS else exponents * arithmetic.number(Fraction(0))
    if arithmetic is FLOATS:
        return np.asarray(arithmetic.term(Fraction(1), base, exponents))
    return _each(lambda exponent: arithmetic.term(Fraction(1), base, _exponent(exponent)), exponents)


def _exponent(value: Any) -> Any:
    """Rationals of python-flint as fractions."""
    return Fraction(int(value.p), int(value.q)) if type(value).__name__ == "fmpq" else value


def _decay(means: np.ndarray, arithmetic: Arithmetic) -> np.ndarray:
    """``e^{−x}``."""
    if arithmetic is FLOATS:
        return np.exp(-means)
    one = arithmetic.number(Fraction(1))
    return _each(lambda mean: arithmetic.exp_dd([mean], one), means)


def _least(values: np.ndarray, arithmetic: Arithmetic) -> np.ndarray:
    """``min(1, x)``."""
    if arithmetic is FLOATS:
        return np.minimum(values, 1.0)
    one = arithmetic.number(Fraction(1))
    if arithmetic is SYMBOLIC:
        return _each(lambda value: sympy.Min(one, value), values)
    return _each(lambda value: value.min(one) if hasattr(value, "mid") else min(value, one), values)


def _each(function: Callable[[Any], Any], values: np.ndarray) -> np.ndarray:
    return np.frompyfunc(function, 1, 1)(values)
