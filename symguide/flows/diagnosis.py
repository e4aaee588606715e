"""Before a run of a real model: what guidance and a sampler do at masked positions, from log-probabilities.

With ``c = ln p(v|x_S,z)`` and ``u = ln p(v|x_S)`` of a masked position, ``ln Z(w) = ln Σ_v exp(c + w (c − u))``. A step
of pace ``h β`` and survival ``u'/u`` reveals the position with probability ``1 − (u'/u)^Z`` exactly (``1 − u'/u``
normalised), and with another one, or other tokens, under the samplers that people run.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import TypeAlias

import numpy as np

from symguide.errors import ClockError, DataError, InfiniteRatioError, StrengthError
from symguide.flows.steps import Step
from symguide.laws.rules import RULES

__all__ = ["DIAGNOSED", "Diagnosis", "diagnose"]

BLOCK = 2**16
"""Numbers that are worked on at a time: they stay in the cache."""
MASS_TOLERANCE = 1e-3
"""Half precision logarithms sum to one within this."""
MOST_NEWTON = 60


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """What ``n`` masked positions are in for, at one strength, along ``K`` steps.

    A step is judged as if the positions were still masked when it starts, and the model said the same.

    Attributes
    ----------
    log_z
        ``(n,)``: ``ln Z`` of the raw intensities.
    reveals, exact_reveals
        ``(K,)``: how many of the positions a step reveals in the mean, by the sampler and by the exact chain.
    apart
        ``(K,)``: the mean distance in TV between the sampler's law of a position and the exact one.
    share
        ``(K,)``: the share of positions for which it exceeds the tolerance.
    threshold
        ``(n,)``: the strength from which on the sampler misbehaves at the last of the steps with a pace below one: for
        τ-leaping a position begins to freeze there (``h β Z = 1``), for Euler it is revealed for sure, entrywise the
        most probable token is clamped. Infinite where there is none.
    watched
        Which step the threshold is of, counted from 0; ``None`` where there is none.

    >>> found = diagnose(np.log([[0.5, 0.5]]), np.log([[0.5, 0.5]]), 3.0, [Step(1, 0.5, 0.5, 0.5)], "tau-leaping")
    >>> float(found.log_z[0]), float(found.reveals[0].round(6)), float(found.threshold[0])
    (0.0, 0.303265, inf)
    """

    log_z: np.ndarray
    reveals: np.ndarray
    exact_reveals: np.ndarray
    apart: np.ndarray
    share: np.ndarray
    threshold: np.ndarray
    watched: int | None


DIAGNOSED: Mapping[str, str] = MappingProxyType(
    {
        "ancestral": "none: its reveal is exact for one position",
        "euler": "h β Z = 1: revealed for sure",
        "euler-entrywise": "h β max q = 1: the most probable token is clamped",
        "tau-leaping": "h β Z = 1: more guidance reveals less",
        "exponential-jump": "none",
        "joint": "none",
    }
)
"""Read-only: the samplers that are diagnosed, and what their threshold is."""


def diagnose(
    conditional: np.ndarray,
    unconditional: np.ndarray,
    w: float,
    steps: Sequence[Step],
    sampler: str = "ancestral",
    rule: str = "rate",
    tolerance: float = 0.01,
) -> Diagnosis:
    """What a sampler does to masked positions along a grid of steps.

    Parameters
    ----------
    conditional, unconditional
        ``(…, N)`` log-probabilities at masked positions; ``−inf`` where a token is excluded.
    w
        Guidance strength, ``≥ −1``.
    steps
        The grid, from :func:`symguide.flows.steps.uniform_steps`.
    sampler
        A name in :data:`DIAGNOSED`.
    rule
        ``"rate"`` or ``"normalised"``; ``joint`` normalises over tokens and mask together, whatever the rule.
    tolerance
        In TV, for :attr:`Diagnosis.share`.

    Raises
    ------
    DataError
        For arrays of different or no shapes, and rows that are no log-probabilities.
    InfiniteRatioError
        Where ``p(v|x_S) = 0 < p(v|x_S,z)`` and ``w > 0``.
    StrengthError, ClockError
        For ``w < −1``, and for no steps, or one without a finite hazard under a sampler that freezes it.

    >>> from symguide.schedules.published import log_linear
    >>> from symguide.flows.steps import uniform_steps
    >>> peaked, flat = np.log([[0.97, 0.01, 0.02]]), np.log([[0.3, 0.3, 0.4]])
    >>> grid = uniform_steps(log_linear(), 50)
    >>> found = diagnose(peaked, flat, 4.0, grid, "tau-leaping")
    >>> found.reveals[[0, 25, 48]].round(3), float(found.threshold[0].round(4))
    (array([0.254, 0.061, 0.   ]), 0.6147)
    """
    given, base = _read(conditional, unconditional)
    if not (np.isfinite(w) and w >= -1):
        raise StrengthError(f"guidance strength w is {w}: the guided chain is defined for finite w >= -1; correct it")
    if sampler not in DIAGNOSED:
        raise DataError(f"sampler {sampler!r} is not diagnosed; choose one of {', '.join(DIAGNOSED)}")
    if rule not in RULES:
        raise DataError(f"guidance rule {rule!r} is unknown; choose one of {', '.join(RULES)}")
    paces, survivals = _grid(steps, sampler)
    below_one = np.flatnonzero(paces < 1)
    watched = int(below_one[-1]) if len(below_one) else None
    normalised = rule == "normalised"
    count = len(given)
    log_z, threshold = np.zeros(count), np.full(count, np.inf)
    sums = np.zeros((4, len(steps)))
    for rows in _blocks(*given.shape):
        c, difference = given[rows].astype(np.float64), base[rows].astype(np.float64)
        _ratios(c, difference, w, rows.start)
        logs = c + w * difference
        log_z[rows] = total = _log_sum(logs)
        z = np.ones(len(total)) if normalised else np.exp(np.minimum(total, 700.0))
        exact = -np.expm1(z[:, None] * np.log(survivals))
        case = _Case(logs - total[:, None], total, difference, w, normalised, paces, survivals, exact)
        revealed, apart = _LAWS[sampler](case)
        sums += [revealed.sum(0), exact.sum(0), apart.sum(0), (apart > tolerance).sum(0)]
        if watched is not None and not normalised and sampler in ("euler", "tau-leaping", "euler-entrywise"):
            target = -float(np.log(paces[watched]))
            find = _clamped if sampler == "euler-entrywise" else _threshold
            threshold[rows] = find(c, difference, target)
    reveals, exact_reveals, apart, share = sums
    return Diagnosis(log_z, reveals, exact_reveals, apart / count, share / count, threshold, watched)


def _read(conditional: np.ndarray, unconditional: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    arrays = [np.asarray(array) for array in (conditional, unconditional)]
    if arrays[0].shape != arrays[1].shape or arrays[0].ndim == 0 or 0 in arrays[0].shape:
        raise DataError(
            f"log-probabilities: the conditional array has shape {arrays[0].shape}, the unconditional one "
            f"{arrays[1].shape}, so positions cannot be compared; give two of shape (positions, N)"
        )
    flat = [array.reshape(-1, array.shape[-1]) for array in arrays]
    for name, array in zip(("conditional", "unconditional"), flat, strict=True):
        if array.dtype.kind != "f":
            raise DataError(f"log-probabilities: the {name} array holds {array.dtype}; give floats")
    return flat[0], flat[1]


def _grid(steps: Sequence[Step], sampler: str) -> tuple[np.ndarray, np.ndarray]:
    if not steps:
        raise ClockError("steps: there are none, so nothing is revealed; give a grid, such as uniform_steps(noise, 50)")
    for number, step in enumerate(steps):
        if not step.has_finite_hazard and sampler not in ("ancestral", "joint"):
            raise ClockError(
                f"step {number}: the hazard is infinite where it starts, and {sampler} freezes it there; end the grid "
                "earlier, or use ancestral"
            )
    paces = np.array([float(step.pace) for step in steps])
    survivals = np.array([float(step.survival) for step in steps])
    return paces, np.maximum(survivals, 1e-300)


def _blocks(count: int, width: int) -> Iterator[slice]:
    height = max(1, BLOCK // width)
    return (slice(first, min(first + height, count)) for first in range(0, count, height))


def _ratios(c: np.ndarray, base: np.ndarray, w: float, first: int) -> None:
    """``c − u`` in the place of ``u``, 0 where the class excludes a token; rows are checked on the way."""
    scratch = np.empty_like(c)
    with np.errstate(invalid="ignore"):
        for name, logs in (("conditional", c), ("unconditional", base)):
            mass = np.exp(logs, out=scratch).sum(axis=1)
            for row in np.flatnonzero(~(np.abs(mass - 1) < MASS_TOLERANCE))[:1]:
                raise DataError(
                    f"position {first + int(row)}: its {name} probabilities sum to {mass[row]:.6g}, so the array holds "
                    "no log-probabilities; take the log-softmax of logits first"
                )
        np.subtract(c, base, out=base)
    excluded = np.isneginf(c)
    if excluded.any():
        base[excluded] = 0.0
    if w > 0 and not np.isfinite(base).all():
        row, token = np.argwhere(~np.isfinite(base))[0]
        raise InfiniteRatioError(
            f"position {first + int(row)}, token {int(token)}: the unconditional law excludes a token of the "
            "conditional one, so its intensity is infinite; floor the unconditional probabilities"
        )
    if w <= 0:
        # A factor with positive exponent and value zero makes the intensity zero; at w = 0 the law does not count.
        unbounded = np.isposinf(base)
        base[unbounded] = 0.0
        c[unbounded & (w < 0)] = -np.inf


def _log_sum(logs: np.ndarray) -> np.ndarray:
    most = logs.max(axis=1, keepdims=True)
    apart = logs - most
    return most[:, 0] + np.log(np.exp(apart, out=apart).sum(axis=1))


# --- one-step laws ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Case:
    """A block of positions: ``ln q/Z``, ``ln Z``, ``c − u``; the grid, and what the exact chain reveals in it."""

    logs: np.ndarray
    log_z: np.ndarray
    difference: np.ndarray
    w: float
    normalised: bool
    paces: np.ndarray
    survivals: np.ndarray
    exact: np.ndarray

    @property
    def rates(self) -> np.ndarray:
        """``(n, K)``: ``Λ = h β Z``, or ``h β``."""
        rates = np.ones_like(self.log_z) if self.normalised else np.exp(np.minimum(self.log_z, 600.0))
        return rates[:, None] * self.paces


_Found: TypeAlias = tuple[np.ndarray, np.ndarray]
"""``(n, K)`` each: the probability of a reveal, and the distance in TV to the exact law."""


def _same_tokens(case: _Case, revealed: np.ndarray) -> _Found:
    """Where tokens have the exact law, two laws differ in how much is revealed."""
    return revealed, np.abs(revealed - case.exact)


def _ancestral(case: _Case) -> _Found:
    return _same_tokens(case, case.exact)


def _euler(case: _Case) -> _Found:
    return _same_tokens(case, np.minimum(case.rates, 1.0))


def _tau_leaping(case: _Case) -> _Found:
    rates = np.minimum(case.rates, 1e6)
    return _same_tokens(case, rates * np.exp(-rates))


def _joint(case: _Case) -> _Found:
    """``(1−m) Z / (m + (1−m) Z)`` with ``m = (1−α')/(1−α)``, the survival of the step."""
    odds = np.exp(-case.log_z)[:, None] * (case.survivals / (1 - case.survivals))
    return _same_tokens(case, 1 / (1 + odds))


def _by_tokens(case: _Case, chances: Callable[[np.ndarray, float], np.ndarray]) -> _Found:
    """Where tokens have laws of their own, every step is a pass over them."""
    revealed, apart = np.empty_like(case.exact), np.empty_like(case.exact)
    law = np.exp(case.logs)
    for k, pace in enumerate(case.paces):
        found = chances(law, float(pace))
        revealed[:, k] = found.sum(axis=1)
        away = np.abs(found - case.exact[:, k, None] * law).sum(axis=1)
        apart[:, k] = (away + np.abs(revealed[:, k] - case.exact[:, k])) / 2
    return revealed, apart


def _entrywise(case: _Case) -> _Found:
    scale = np.ones((len(case.log_z), 1)) if case.normalised else np.exp(np.minimum(case.log_z, 600.0))[:, None]

    def chances(law: np.ndarray, pace: float) -> np.ndarray:
        clamped = np.minimum(law * (scale * pace), 1.0)
        return clamped / np.maximum(clamped.sum(axis=1, keepdims=True), 1.0)

    return _by_tokens(case, chances)


def _exponential_jump(case: _Case) -> _Found:
    """Proposals ``p(v|x_S)``, each taken with probability ``1 − exp(−h β (p_z/p)^{1+w})``."""
    powers = (1 + case.w) * case.difference
    proposals = np.exp(case.logs + case.log_z[:, None] - powers)
    ratios = np.exp(np.minimum(powers, 600.0))

    def chances(law: np.ndarray, pace: float) -> np.ndarray:
        return proposals * -np.expm1(-np.minimum(pace * ratios, 700.0))

    return _by_tokens(case, chances)


_LAWS: Mapping[str, Callable[[_Case], _Found]] = {
    "ancestral": _ancestral,
    "euler": _euler,
    "euler-entrywise": _entrywise,
    "tau-leaping": _tau_leaping,
    "exponential-jump": _exponential_jump,
    "joint": _joint,
}


# --- thresholds -------------------------------------------------------------------------------------------------------


def _threshold(c: np.ndarray, difference: np.ndarray, target: float) -> np.ndarray:
    """``w ≥ 0`` with ``ln Z(w) = target > 0``, by Newton from the right: ``ln Z`` is convex, so it does not overshoot.

    ``ln Z`` is above its tangent at 0, ``w KL(p(·|z) ‖ p)``, which gives the beginning.
    """
    slope = np.einsum("nv,nv->n", np.exp(c), difference)
    found = np.full(len(c), np.inf)
    open_rows = np.flatnonzero(slope > target * 1e-9)
    w = target / slope[open_rows]
    for _ in range(MOST_NEWTON):
        if not len(open_rows):
            break
        ahead = difference[open_rows]
        logs = c[open_rows] + w[:, None] * ahead
        most = logs.max(axis=1)
        weights = np.exp(np.subtract(logs, most[:, None], out=logs), out=logs)
        whole = weights.sum(axis=1)
        gradient = np.einsum("nv,nv->n", weights, ahead) / whole
        step = (most + np.log(whole) - target) / gradient
        w = w - step
        found[open_rows] = w
        moving = np.abs(step) > 1e-12 * np.maximum(w, 1e-3)
        open_rows, w = open_rows[moving], w[moving]
    return found


def _clamped(c: np.ndarray, difference: np.ndarray, target: float) -> np.ndarray:
    """The least ``w ≥ 0`` with ``max_v (c + w (c − u)) = target``: a line for every token."""
    rising = difference > 0
    with np.errstate(divide="ignore", invalid="ignore"):
        crossing = np.where(rising & np.isfinite(c), (target - c) / np.where(rising, difference, 1.0), np.inf)
    return np.maximum(crossing.min(axis=1), 0.0)
