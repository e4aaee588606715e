"""Questions with numbers: laws, TV and functionals of one problem at given strengths and mask fractions.

Which arithmetic answers is decided by size and reported as ``path``: ``exact`` (rational data, integer ``w``),
``symbolic`` (SymPy, other rational ``w``), ``array`` (floats over the same chain).
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from math import exp, inf, isfinite, log, log1p
from typing import Any

import flint
import numpy as np
import sympy
from sympy import Expr

from symguide.arithmetic import FLOATS, RATIONAL, SYMBOLIC
from symguide.chain import Chain, guided_chain
from symguide.compiled import enclose
from symguide.errors import ClockError, DataError, InfiniteRatioError, StrengthError
from symguide.exp_dd import in_powers
from symguide.expansion import Expansion, expand
from symguide.functionals import (
    Distribution,
    entropy,
    kl_divergence,
    last_reveal,
    posterior,
    reciprocal_posterior,
    terminal_law,
    tilted_law,
    total_variation,
)
from symguide.law import Context
from symguide.mixture import Problem
from symguide.number import Number, to_sympy
from symguide.symbols import u as u_symbol
from symguide.tilt import Tilt, guidance

__all__ = ["PATHS", "Answer", "Quantity", "Result", "answer"]

PATHS: Mapping[str, str] = {
    "exact": "rational arithmetic",
    "symbolic": "SymPy at the given strength",
    "array": "double precision over the same chain",
}
"""The arithmetics that answer, by name."""

MAX_EXACT_CONTEXTS = 2_000
MAX_SYMBOLIC_CONTEXTS = 150
MAX_EXACT_TERMS = 4_000
LARGEST_POWER = 10_000
FUNCTIONALS = (
    "entropy",
    "posterior",
    "reciprocal_posterior",
    "kl_to_class",
    "kl_to_tilted",
    "tv_to_tilted",
    "mean_unmasking_clock",
)


@dataclass(frozen=True, slots=True)
class Quantity:
    """A number: its double, correctly rounded up to one unit, and its exact form where there is one."""

    value: float
    exact: Number | None

    @classmethod
    def of(cls, value: Any) -> "Quantity":
        """From a value of any arithmetic.

        >>> Quantity.of(Fraction(1, 4))
        Quantity(value=0.25, exact=Fraction(1, 4))
        """
        if isinstance(value, Fraction):
            return cls(_float(value), value)
        if isinstance(value, sympy.Rational):
            return cls.of(Fraction(int(value.p), int(value.q)))
        if isinstance(value, Expr):
            return cls(float(enclose(value, {})), value)
        return cls(float(value), None)


@dataclass(frozen=True, slots=True)
class Result:
    """The answers at one strength ``w`` and, where one was given, one mask fraction ``u``.

    ``terminal`` is the law sampled as ``u → 0``, ``states`` the law at ``u``; ``functionals`` are of the terminal law
    and are ``None`` where they do not exist (a posterior of a pair) or are infinite.

    >>> from symguide.datasets import load
    >>> answer(load("interval-overlap"), [Fraction(1)]).results[0].functionals["tv_to_tilted"]
    Quantity(value=0.0, exact=Fraction(0, 1))
    """

    w: Number
    u: Number | None
    tv: Quantity | None
    log_tv: float | None
    log_minus_log_tv: float | None
    terminal: Mapping[Context, Quantity]
    states: Mapping[Context, Quantity] | None
    functionals: Mapping[str, Quantity | None]
    dead: Quantity | None


@dataclass(frozen=True, slots=True)
class Answer:
    """Results over ``w``, then ``u``, with the path that was taken and what a reader must know.

    >>> from symguide.datasets import load
    >>> answer(load("xor"), [Fraction(0)], rule="normalised").rule
    'normalised'
    """

    problem: Problem
    rule: str
    path: str
    results: tuple[Result, ...]
    notes: tuple[str, ...] = field(default=())


def answer(
    problem: Problem,
    strengths: Sequence[Number],
    fractions: Sequence[Number] = (),
    rule: str = "rate",
    states: bool = False,
    path: str | None = None,
) -> Answer:
    """Terminal laws, TV and functionals of a guided chain.

    Parameters
    ----------
    problem
        The conditional and unconditional law.
    strengths
        Guidance strengths ``w ≥ −1``, exact.
    fractions
        Mask fractions ``u ∈ [0, 1]``, exact; with none, only terminal quantities.
    rule
        A name in :data:`symguide.tilt.RULES`.
    states
        Whether to report the law at every ``u`` too.
    path
        Force a path; by size if ``None``.

    Raises
    ------
    StrengthError, ClockError
        For values outside the ranges above.
    ChainTooLargeError
        When no path can carry the chain.

    >>> from symguide.datasets import load
    >>> found = answer(load("squares-overlap"), [Fraction(1)], [Fraction(1, 2)])
    >>> found.path, found.results[0].terminal[2, 2].exact, round(found.results[0].tv.value, 6)
    ('exact', Fraction(1, 25), 0.643562)
    """
    for strength in strengths:
        if not isinstance(strength, Expr) and not strength >= -1:
            raise StrengthError(f"guidance strength w is {strength}: below -1 the chain is not defined; use w >= -1")
    for fraction in fractions:
        if not 0 <= fraction <= 1:
            raise ClockError(f"mask fraction u is {fraction}: outside [0, 1] the law is not defined; correct it")
    tilt = guidance(problem, rule)
    general = _general_chain(tilt, strengths)
    chains = {w: _chain_at(tilt, general, w) for w in strengths}
    if path not in (None, *PATHS):
        raise DataError(f"path {path!r} is unknown; choose one of {', '.join(PATHS)}")
    taken = path or _choose(list(chains.values()), strengths, bool(fractions))
    results = tuple(
        result for w in strengths for result in _results(problem, _at(tilt, w), chains[w], w, fractions, states, taken)
    )
    return Answer(problem, rule, taken, results, problem.notes)


def _general_chain(tilt: Tilt, strengths: Sequence[Number]) -> Chain[Any] | None:
    """The chain with open ``w``; none where every strength needs a chain of its own (pairs with singular supports)."""
    if all(strength == -1 for strength in strengths):
        return None
    try:
        return guided_chain(tilt)
    except InfiniteRatioError:
        return None


def _at(tilt: Tilt, w: Number) -> Tilt:
    return tilt.at(w) if w == -1 else tilt


def _chain_at(tilt: Tilt, general: Chain[Any] | None, w: Number) -> Chain[Any]:
    if general is not None and (w != -1 or general.includes_unconditional):
        return general
    return guided_chain(tilt.at(w))


def _choose(chains: Sequence[Chain[Any]], strengths: Sequence[Number], on_the_way: bool) -> str:
    contexts = max(len(chain.states) for chain in chains)
    if not all(chain.is_exact for chain in chains) or contexts > MAX_EXACT_CONTEXTS:
        return "array"
    if on_the_way and max(expand(chain.over(FLOATS, 0.0)).size for chain in chains) > MAX_EXACT_TERMS:
        return "array"
    integral = all(isinstance(w, Fraction) and w.denominator == 1 for w in strengths)
    if integral:
        return "exact"
    return "symbolic" if contexts <= MAX_SYMBOLIC_CONTEXTS else "array"


def _results(
    problem: Problem, tilt: Tilt, chain: Chain[Any], w: Number, fractions: Sequence[Number], states: bool, path: str
) -> list[Result]:
    valued = _valued(chain, w, path)
    weights = valued.jump_law()
    law = terminal_law(valued)
    terminal = {x: Quantity.of(p) for x, p in law.table.items()}
    functionals = _functionals(problem, tilt, valued, law, w)
    lost = [weights[j] for j in chain.dead]
    dead = Quantity.of(law.arithmetic.total(lost)) if lost else None
    if not fractions:
        return [Result(w, None, None, None, None, terminal, None, functionals, dead)]
    # Off the end of the clock rationals become irrational: SymPy carries on from the same rates.
    expansion = expand(valued if path == "array" else valued.map(to_sympy, SYMBOLIC))
    found = []
    for u in fractions:
        if u == 0:
            tv = Quantity.of(law.arithmetic.number(Fraction(0))), None, None
            nothing = law.arithmetic.number(Fraction(0))
            leaving = set(chain.transient)
            at_u = [Quantity.of(nothing if j in leaving else weight) for j, weight in enumerate(weights)]
        else:
            tv = _tv(expansion, u)
            at_u = _on_the_way(expansion, u) if states else []
        shown = dict(zip(chain.states, at_u, strict=True)) if states else None
        found.append(Result(w, u, *tv, terminal, shown, functionals, dead))
    return found


def _valued(chain: Chain[Any], w: Number, path: str) -> Chain[Any]:
    if path == "exact":
        return chain.over(RATIONAL, w)
    if path == "symbolic":
        return chain.over(SYMBOLIC, to_sympy(w))
    valued = chain.over(FLOATS, float(w))
    if not all(np.isfinite(rate) for rate in valued.exit_rates):
        raise StrengthError(
            f"guidance strength w is {w}: exit rates overflow double precision; use a smaller w or an exact path"
        )
    return valued


def _on_the_way(expansion: Expansion[Any], u: Number) -> list[Quantity]:
    """``P_x(u)`` for every state."""
    if expansion.arithmetic is FLOATS:
        return [Quantity(float(value), None) for value in expansion.probabilities(-log(u))]
    return [_at_fraction(value, u) for value in expansion.probabilities(-sympy.log(u_symbol))]


def _tv(expansion: Expansion[Any], u: Number) -> tuple[Quantity, float | None, float | None]:
    """TV, its logarithm, and the logarithm of minus that."""
    if u == 1:
        return Quantity.of(expansion.arithmetic.number(Fraction(1))), 0.0, None
    chain = expansion.chain
    if expansion.arithmetic is FLOATS:
        clock = -log(u)
        log_tv = expansion.log_survival(clock)
        if log_tv > -0.5:
            # 1 − TV is the small quantity here, and has its own positive sum.
            absorbed = expansion.at(clock, [expansion.combine((*chain.terminal, *chain.dead))])[0]
            log_tv = log1p(-float(absorbed))
        return Quantity(exp(log_tv), None), log_tv, log(-log_tv) if log_tv < 0 else None
    tv = expansion.survival(-sympy.log(u_symbol))
    at = {u_symbol: to_sympy(u)}
    log_tv = enclose(tv, {}, at, then=lambda ball: ball.log())
    log_minus_log_tv = enclose(tv, {}, at, then=lambda ball: (-ball.log()).log())
    return _at_fraction(tv, u), _finite(log_tv), _finite(log_minus_log_tv)


def _at_fraction(value: Expr, u: Number) -> Quantity:
    """A closed form in ``u`` at one mask fraction: the number from divided differences, the exact form from powers.

    Where a power of the given ``u`` would have too many digits to be written, the exact form is left in ``u``.
    """
    point = to_sympy(u)
    ball = enclose(value, {}, {u_symbol: point})
    powers = in_powers(value)[0]
    rates = [power.exp for power in powers.atoms(sympy.Pow) if power.base == u_symbol]
    # SymPy would write out the digits of a rational to a huge power: such forms stay in the symbol u.
    exact = powers.xreplace({u_symbol: point}) if all(abs(rate) <= LARGEST_POWER for rate in rates) else powers
    return Quantity(float(ball), _exact(exact))


def _exact(value: Any) -> Number:
    return Fraction(int(value.p), int(value.q)) if isinstance(value, sympy.Rational) else value


def _finite(ball: flint.arb) -> float | None:
    value = float(ball)
    return value if isfinite(value) else None


def _float(value: Fraction) -> float:
    try:
        return float(value)
    except OverflowError:
        return inf


def _functionals(
    problem: Problem, tilt: Tilt, chain: Chain[Any], law: Distribution, w: Number
) -> dict[str, Quantity | None]:
    """The functionals of the terminal law; ``None`` where one is infinite or not defined."""
    logs = law.map(to_sympy, SYMBOLIC) if law.arithmetic is RATIONAL else law
    strength = float(w) if law.arithmetic is FLOATS else w if law.arithmetic is RATIONAL else to_sympy(w)
    tilted = tilted_law(tilt, law.states, law.arithmetic, strength)
    tilted_logs = tilted.map(to_sympy, SYMBOLIC) if law.arithmetic is RATIONAL else tilted
    computed: dict[str, Callable[[], Any]] = {
        "entropy": lambda: entropy(logs),
        "posterior": lambda: posterior(law, problem),
        "reciprocal_posterior": lambda: reciprocal_posterior(law, problem),
        "kl_to_class": lambda: kl_divergence(logs, _class_law(problem, logs)),
        "kl_to_tilted": lambda: kl_divergence(logs, tilted_logs),
        "tv_to_tilted": lambda: total_variation(law, tilted),
        "mean_unmasking_clock": lambda: last_reveal(chain).mean,
    }
    out: dict[str, Quantity | None] = {}
    for name in FUNCTIONALS:
        try:
            out[name] = Quantity.of(computed[name]())
        except DataError:
            out[name] = None
    return out


def _class_law(problem: Problem, law: Distribution) -> Distribution:
    weights = [problem.conditional.weight(x) for x in law.states]
    return Distribution(law.states, tuple(map(law.arithmetic.number, weights)), law.arithmetic)
