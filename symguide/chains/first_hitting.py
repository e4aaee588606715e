"""First hitting for any law, by queries of conditional laws alone: contexts are met, never enumerated.

It samples what no list of contexts holds: products, mixtures of products and Markov laws of many positions.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import inf, log
from typing import Any, TypeAlias

import numpy as np
from sympy import Expr
from sympy import log as symbolic_log

from symguide.chains.contexts import MASKED
from symguide.chains.lattice import LARGEST_EXPONENT
from symguide.chains.sampling import Trajectories, check_draws, draw
from symguide.errors import DataError, InfiniteRatioError, StrengthError
from symguide.laws.law import Context, Law, format_context
from symguide.laws.markov import MarkovLaw
from symguide.laws.products import ProductLaw
from symguide.laws.strength import read_strength
from symguide.laws.tilt import Tilt
from symguide.numbers.number import Number, shown

__all__ = ["first_hitting"]


def first_hitting(
    tilt: Tilt, w: object, size: int, rng: np.random.Generator, start: Context | None = None
) -> Trajectories:
    """Whole trajectories: hold a context for ``Exp(Λ(x))``, reveal token ``v`` at ``i`` with ``r_i(v|x_S)/Λ(x)``.

    Normalised rule: all positions are revealed at rate 1, so a reveal asks both laws about one position. Rate power:
    positions race, so after a reveal all those that it bears on are asked about again. Runs in one context share what
    they ask.

    Parameters
    ----------
    tilt
        Guidance of any laws.
    w
        Guidance strength.
    size, rng
        As for :func:`symguide.chains.sampling.sample_terminal`.
    start
        A partially masked context to start from; all masks by default.

    Raises
    ------
    StrengthError
        For ``w < −1``, and for strengths at which doubles no longer tell powers apart.
    DataError
        For a start of a wrong length or of probability zero, for no generator, and for a size that counts nothing.
    InfiniteRatioError
        Where a run meets a token that a law with negative exponent excludes.

    References
    ----------
    Gillespie, J. Phys. Chem. 81 (1977) 2340, the direct method; Zheng et al., arXiv:2409.02908, the first-hitting
    sampler of masked diffusion; Lewis, Shedler, Nav. Res. Logist. Q. 26 (1979) 403, thinning.

    >>> from symguide.instances.datasets import load
    >>> from symguide.laws.tilt import guidance
    >>> tilt = guidance(load("hypercubes:D=12,side=3,overlap=1"), "normalised")
    >>> runs = first_hitting(tilt, 2, 4, np.random.default_rng(0))
    >>> runs.terminal.tokens.shape, bool((runs.clocks[:, 1:] > runs.clocks[:, :-1]).all())
    ((4, 12), True)
    """
    check_draws(size, rng)
    strength = read_strength(w)
    first = (None,) * tilt.grid[1] if start is None else tuple(start)
    active = _at(tilt, strength)
    _check_start(active, first)
    ask = _asker(tilt, strength)
    masks = first.count(None)
    positions = np.full((size, masks), MASKED, dtype=np.int32)
    shown = np.full((size, masks), MASKED, dtype=np.int32)
    clocks = np.full((size, masks), inf)
    now = np.zeros(size)
    reveal = _reveal_evenly if tilt.normalised else _reveal_first
    groups: dict[Context, tuple[list[_Menu | None], list[np.ndarray]]] = {
        first: ([None] * len(first), [np.arange(size)])
    }
    laws = _active(active)
    for k in range(masks if size else 0):
        following: dict[Context, tuple[list[_Menu | None], list[np.ndarray]]] = {}
        for context, (menus, parts) in groups.items():
            runs = np.concatenate(parts)
            where, tokens, holds = reveal(context, menus, len(runs), ask, rng)
            alive = np.flatnonzero(where != MASKED)
            runs, where, tokens = runs[alive], where[alive], tokens[alive]
            now[runs] += holds[alive]
            positions[runs, k], shown[runs, k], clocks[runs, k] = where, tokens, now[runs]
            for position, token, those in _alike(where, tokens):
                target = (*context[:position], token, *context[position + 1 :])
                if target not in following:
                    touched = _touched(laws, context, position)
                    following[target] = [None if i in touched else menu for i, menu in enumerate(menus)], []
                following[target][1].append(runs[those])
        groups = following
    return Trajectories(first, positions, shown, clocks)


@dataclass(frozen=True, slots=True)
class _Menu:
    """The intensities of one masked position: tokens, their shares, and the logarithm of the sum; no tokens if dead."""

    tokens: tuple[int, ...]
    shares: np.ndarray
    log_pace: float


_Ask: TypeAlias = Callable[[Context, int], _Menu]


def _asker(tilt: Tilt, strength: Number) -> _Ask:
    """What turns a context and a masked position into a menu at one strength."""
    if isinstance(strength, Expr) and not strength.is_number:
        raise StrengthError(f"guidance strength w is {shown(strength)}: draws need a number; substitute its symbols")
    if not strength <= LARGEST_EXPONENT:
        raise StrengthError(
            f"guidance strength w is {shown(strength)}: doubles do not tell powers beyond "
            f"{LARGEST_EXPONENT:.0g} apart; use a smaller w"
        )
    general, w = _at(tilt, strength), float(strength)
    laws = _active(general)

    def ask(context: Context, position: int) -> _Menu:
        context = _seen(laws, context, position)
        try:
            intensities = general.intensities(context, position)
        except InfiniteRatioError:
            # Which tokens a pair excludes may depend on the sign of w, which an open strength does not know.
            intensities = tilt.at(strength).intensities(context, position)
        if not intensities:
            return _Menu((), np.zeros(0), -inf)
        logs = []
        for intensity in intensities.values():
            ((base, coefficient),) = intensity.terms
            logs.append(_log(coefficient) + w * _log(base))
        highest = max(logs)
        weights = np.exp(np.array(logs) - highest)
        whole = weights.sum()
        return _Menu(tuple(intensities), weights / whole, highest + log(whole))

    return ask


def _at(tilt: Tilt, strength: Number) -> Tilt:
    """The tilt with the laws of exponent 0 switched off; open otherwise, since roots of fractions are slow."""
    return tilt.at(strength) if strength in (-1, 0) else tilt


def _log(value: Any) -> float:
    """``ln`` of a positive number, however long its digits are."""
    if isinstance(value, Fraction):
        if 2.0**-1000 < value < 2.0**1000:
            return log(value)
        return log(value.numerator) - log(value.denominator)
    return float(symbolic_log(value)) if isinstance(value, Expr) else log(value)


_Reveals: TypeAlias = tuple[np.ndarray, np.ndarray, np.ndarray]
"""Positions, tokens and holding times of the next reveals of some runs; −1 for both where there is none."""


def _reveal_first(
    context: Context, menus: list[_Menu | None], count: int, ask: _Ask, rng: np.random.Generator
) -> _Reveals:
    """Rate power: one reveal of every run in a context, its position the first of all that race at their own pace."""
    for i, token in enumerate(context):
        if token is None and menus[i] is None:
            menus[i] = ask(context, i)
    racing = [i for i, menu in enumerate(menus) if menu is not None and menu.tokens]
    if not racing:
        return np.full(count, MASKED), np.full(count, MASKED), np.full(count, inf)
    paces = np.array([menus[i].log_pace for i in racing])  # pyright: ignore[reportOptionalMemberAccess]
    highest = paces.max()
    shares = np.exp(paces - highest)
    with np.errstate(over="ignore"):
        holds = rng.standard_exponential(count) * np.exp(-highest) / shares.sum()
    positions = np.array(racing)[draw(shares, count, rng)]
    return positions, _tokens(positions, menus, rng), holds


def _reveal_evenly(
    context: Context, menus: list[_Menu | None], count: int, ask: _Ask, rng: np.random.Generator
) -> _Reveals:
    """Normalised rule: positions race at rate 1.

    One that proves dead when it comes first made no reveal, and races no longer: exact, since waits have no memory.
    """
    racing = [i for i, token in enumerate(context) if token is None]
    positions, holds = np.full(count, MASKED), np.zeros(count)
    pending = np.arange(count)
    while len(pending) and racing:
        holds[pending] += rng.standard_exponential(len(pending)) / len(racing)
        chosen = np.array(racing)[rng.integers(len(racing), size=len(pending))]
        for i in set(chosen.tolist()):
            menus[i] = menus[i] or ask(context, i)
        racing = [i for i in racing if (menu := menus[i]) is None or menu.tokens]
        alive = np.isin(chosen, racing)
        positions[pending[alive]] = chosen[alive]
        pending = pending[~alive]
    return positions, _tokens(positions, menus, rng), holds


def _tokens(positions: np.ndarray, menus: list[_Menu | None], rng: np.random.Generator) -> np.ndarray:
    """A token for each position from its menu."""
    tokens = np.full(len(positions), MASKED)
    for i in np.unique(positions[positions != MASKED]).tolist():
        menu, here = menus[i], positions == i
        assert menu is not None
        tokens[here] = np.array(menu.tokens)[draw(menu.shares, int(np.count_nonzero(here)), rng)]
    return tokens


def _alike(positions: np.ndarray, tokens: np.ndarray) -> Iterator[tuple[int, int, np.ndarray]]:
    """The distinct reveals, and which runs made each."""
    if len(positions) == 1:
        yield int(positions[0]), int(tokens[0]), np.zeros(1, dtype=np.int64)
        return
    order = np.lexsort((tokens, positions))
    changes = np.flatnonzero((np.diff(positions[order]) != 0) | (np.diff(tokens[order]) != 0)) + 1
    for those in np.split(order, changes):
        if len(those):
            yield int(positions[those[0]]), int(tokens[those[0]]), those


def _active(tilt: Tilt) -> list[Law]:
    return [law for law, exponent in tilt.factors if exponent != 0]


def _touched(laws: Sequence[Law], context: Context, position: int) -> set[int]:
    """The positions whose conditional laws a reveal may change, and its own."""
    if all(isinstance(law, ProductLaw) for law in laws):
        return {position}
    if not all(isinstance(law, ProductLaw | MarkovLaw) for law in laws):
        return set(range(len(context)))
    left, right = _neighbours(context, position)
    return set(range(left + 1, right))


def _seen(laws: Sequence[Law], context: Context, position: int) -> Context:
    """What of a context bears on a position: for Markov laws the nearest revealed tokens, which spares them the product
    of all the others, and its underflow.
    """
    if not all(isinstance(law, ProductLaw | MarkovLaw) for law in laws):
        return context
    near = _neighbours(context, position)
    return tuple(token if i in near else None for i, token in enumerate(context))


def _neighbours(context: Context, position: int) -> tuple[int, int]:
    """The nearest revealed positions, −1 and ``D`` where there are none."""
    left = next((i for i in range(position - 1, -1, -1) if context[i] is not None), -1)
    right = next((i for i in range(position + 1, len(context)) if context[i] is not None), len(context))
    return left, right


def _check_start(tilt: Tilt, start: Context) -> None:
    vocabulary, length = tilt.grid
    if len(start) != length or not all(token is None or 0 <= token < vocabulary for token in start):
        raise DataError(
            f"start {format_context(start)}: the laws have {length} positions with tokens 0..{vocabulary - 1}; "
            "show tokens of these, and None for masks"
        )
    if any(law.weight(start) == 0 for law, exponent in tilt.factors if exponent != 0):
        raise DataError(
            f"start {format_context(start)} has probability zero, so no conditional law exists there; "
            "start from tokens of the support"
        )
