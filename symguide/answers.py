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
import mpmath
import numpy as np
import sympy
from sympy import Expr

from symguide.arithmetic import FLOATS, PRECISE, RATIONAL, SYMBOLIC
from symguide.chain import Chain, guided_chain
from symguide.compiled import enclose
from symguide.errors import ChainTooLargeError, ClockError, DataError, InfiniteRatioError, NotExactError, StrengthError
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
from symguide.number import Number, is_exact, read_number, shown, to_sympy
from symguide.strength import read_strength
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
LARGEST_POWER = 20_000
MAX_POWER_BITS = 12_000
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
            return cls(_middle(enclose(value, {})), value)
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
    strengths = [read_strength(strength) for strength in strengths]
    fractions = [_read_fraction(fraction) for fraction in fractions]
    if not strengths:
        raise StrengthError("there are no guidance strengths, so no chain is meant; give one or more values of w")
    tilt = guidance(problem, rule)
    general = _general_chain(tilt, strengths)
    chains = {w: _chain_at(tilt, general, w) for w in strengths}
    if path not in (None, *PATHS):
        raise DataError(f"path {path!r} is unknown; choose one of {', '.join(PATHS)}")
    taken = _choose(list(chains.values()), strengths, fractions, path)
    results = tuple(
        result for w in strengths for result in _results(problem, _at(tilt, w), chains[w], w, fractions, states, taken)
    )
    return Answer(problem, rule, taken, results, (*problem.notes, *_remarks(results)))


def _general_chain(tilt: Tilt, strengths: Sequence[Number]) -> Chain[Any] | None:
    """The chain with open ``w``; none where every strength needs a chain of its own (pairs with singular supports)."""
    if all(strength == -1 for strength in strengths):
        return None
    try:
        return guided_chain(tilt)
    except InfiniteRatioError:
        return None


def _read_fraction(value: object) -> Number:
    fraction = read_number(value, "mask fraction u", ClockError)
    if isinstance(fraction, Expr):
        inside = fraction.is_number and fraction.is_real and bool(fraction >= 0) and bool(fraction <= 1)
    else:
        inside = 0 <= fraction <= 1
    if not inside:
        raise ClockError(f"mask fraction u is {shown(fraction)}: outside [0, 1] the law is not defined; correct it")
    return fraction


def _remarks(results: Sequence[Result]) -> tuple[str, ...]:
    """What a reader of the numbers must know."""
    remarks = [
        f"w = {result.w}: dead contexts hold mass {result.dead.value:.6g}; functionals of the terminal law are left out"
        for result in results
        if result.dead is not None and result.dead.value > 0
    ]
    if any(isinstance(q.exact, Expr) and q.exact.has(u_symbol) for r in results if (q := r.tv) is not None):
        remarks.append("exact forms with powers too large to write out are left in the mask fraction u")
    return tuple(dict.fromkeys(remarks))


def _at(tilt: Tilt, w: Number) -> Tilt:
    """The tilt with the laws of exponent 0 switched off, where there are any."""
    return tilt.at(w) if w in (-1, 0) else tilt


def _chain_at(tilt: Tilt, general: Chain[Any] | None, w: Number) -> Chain[Any]:
    if general is not None and (w != -1 or general.includes_unconditional):
        return general
    return guided_chain(tilt.at(w))


def _choose(
    chains: Sequence[Chain[Any]], strengths: Sequence[Number], fractions: Sequence[Number], path: str | None
) -> str:
    """The asked path if the sizes allow it, else the most exact one they allow."""
    _require_numbers(chains)
    if path == "array":
        return path
    contexts = max(len(chain.states) for chain in chains)
    exact = all(chain.is_exact for chain in chains) and all(map(is_exact, (*strengths, *fractions)))
    if path is not None and not exact:
        raise NotExactError(f"path {path!r} needs exact data, strengths and mask fractions; give fractions, not floats")
    digits = max(_power_bits(chain, w) for chain in chains for w in strengths)
    terms = max(expand(chain.over(FLOATS, 0.0)).size for chain in chains) if fractions and exact else 0
    if path is not None:
        most = MAX_SYMBOLIC_CONTEXTS if path == "symbolic" else MAX_EXACT_CONTEXTS
        if contexts > most or terms > MAX_EXACT_TERMS or digits > MAX_POWER_BITS:
            raise ChainTooLargeError(
                f"path {path!r} carries {most} contexts, {MAX_EXACT_TERMS} terms and powers of {MAX_POWER_BITS} bits, "
                f"and this needs {contexts} contexts, {terms} terms, {shown(digits)} bits; use the array path"
            )
        return path
    if not exact or contexts > MAX_EXACT_CONTEXTS or terms > MAX_EXACT_TERMS or digits > MAX_POWER_BITS:
        return "array"
    integral = all(isinstance(w, Fraction) and w.denominator == 1 for w in strengths)
    if integral and all(chain.is_rational for chain in chains):
        return "exact"
    return "symbolic" if contexts <= MAX_SYMBOLIC_CONTEXTS else "array"


def _require_numbers(chains: Sequence[Chain[Any]]) -> None:
    for chain in chains:
        symbols = set().union(*(to_sympy(x).free_symbols for rate in chain.exit_rates for pair in rate for x in pair))
        if symbols:
            raise DataError(
                f"the data contain the symbols {sorted(map(str, symbols))}, so there are no numbers to answer with; "
                "substitute values, or take the closed form from solve"
            )


def _power_bits(chain: Chain[Any], w: Number) -> int:
    """About how many bits the largest power ``b^w`` of the chain has."""
    bases = {base for rate in chain.exit_rates for base, _ in rate if isinstance(base, Fraction)}
    widest = max((max(base.numerator.bit_length(), base.denominator.bit_length()) for base in bases), default=1)
    return int(abs(w) * widest)


def _results(
    problem: Problem, tilt: Tilt, chain: Chain[Any], w: Number, fractions: Sequence[Number], states: bool, path: str
) -> list[Result]:
    valued = _valued(chain, w, path)
    weights = valued.jump_law()
    law = terminal_law(valued)
    terminal = {x: Quantity.of(p) for x, p in law.table.items()}
    lost = [weights[j] for j in chain.dead]
    dead = Quantity.of(law.arithmetic.total(lost)) if lost else None
    functionals = _functionals(problem, tilt, valued, law, w, defective=bool(lost))
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
    strength = _float(w) if isinstance(w, Fraction) else float(w)
    valued = chain.over(FLOATS, strength) if isfinite(strength) else None
    if valued is None or not all(np.isfinite(rate) for rate in valued.exit_rates):
        raise StrengthError(
            f"guidance strength w is {shown(w)}: exit rates leave the range of double precision; use a smaller w"
        )
    return valued


def _on_the_way(expansion: Expansion[Any], u: Number) -> list[Quantity]:
    """``P_x(u)`` for every state."""
    if expansion.arithmetic is FLOATS:
        return [Quantity(float(value), None) for value in expansion.probabilities(_float_clock(u))]
    return [_at_fraction(value, u) for value in expansion.probabilities(-sympy.log(u_symbol))]


def _tv(expansion: Expansion[Any], u: Number) -> tuple[Quantity, float | None, float | None]:
    """TV, its logarithm, and the logarithm of minus that."""
    if u == 1:
        return Quantity.of(expansion.arithmetic.number(Fraction(1))), 0.0, None
    chain = expansion.chain
    if expansion.arithmetic is FLOATS:
        clock = _float_clock(u)
        log_tv = expansion.log_survival(clock)
        if log_tv > -0.5:
            # 1 − TV is the small quantity here, and has its own positive sum.
            absorbed = expansion.at(clock, [expansion.combine((*chain.terminal, *chain.dead))])[0]
            log_tv = log1p(-float(absorbed))
        value = Quantity(exp(log_tv), None)
        return value, log_tv if isfinite(log_tv) else None, log(-log_tv) if -inf < log_tv < 0 else None
    tv = expansion.survival(-sympy.log(u_symbol))
    at = {u_symbol: to_sympy(u)}
    log_tv = enclose(tv, {}, at, then=lambda ball: ball.log())
    log_minus_log_tv = enclose(tv, {}, at, then=lambda ball: (-ball.log()).log())
    return _at_fraction(tv, u), _finite(log_tv), _finite(log_minus_log_tv)


def _float_clock(u: Number) -> float:
    """``s = −ln u`` as a double, from the exact ``u``, which may be closer to 0 or 1 than doubles are."""
    if isinstance(u, float):
        return -log(u)
    with mpmath.workdps(40):
        return float(-mpmath.log(PRECISE.number(u)))


def _at_fraction(value: Expr, u: Number) -> Quantity:
    """A closed form in ``u`` at one mask fraction: the number from divided differences, the exact form from powers.

    Where a power of the given ``u`` would have too many digits to be written, the exact form is left in ``u``.
    """
    point = to_sympy(u)
    ball = enclose(value, {}, {u_symbol: point})
    powers = in_powers(value)[0]
    rates = [power.exp for power in powers.atoms(sympy.Pow) if power.base == u_symbol]
    bits = max((int(part).bit_length() for part in point.as_numer_denom() if part.is_Integer), default=1)
    exact = powers.xreplace({u_symbol: point}) if all(_can_be_written(rate, bits) for rate in rates) else powers
    return Quantity(_middle(ball), _exact(exact))


def _can_be_written(rate: Any, bits: int) -> bool:
    """Whether SymPy writes ``u^rate`` out in no time, for a rational ``u`` whose parts have so many bits."""
    if rate.is_Integer:
        return abs(rate) * bits <= LARGEST_POWER
    # Roots make SymPy factor the parts of u, and roots of high order are slow besides.
    return bits <= 32 and abs(rate) * bits <= LARGEST_POWER and getattr(rate, "q", 1) <= 1000


def _exact(value: Any) -> Number:
    return Fraction(int(value.p), int(value.q)) if isinstance(value, sympy.Rational) else value


def _middle(ball: flint.arb) -> float:
    """The double of an enclosure that is tight enough to have one."""
    if ball.is_finite() and (ball.rad() < flint.arb(2) ** -1100 or ball.rad() < abs(ball) * flint.arb(2) ** -52):
        return float(ball)
    raise NotExactError(
        f"a value is only known to lie in {ball.str(6)}, too wide for a number, at the highest precision tried; "
        "use the array path"
    )


def _finite(ball: flint.arb) -> float | None:
    value = _middle(ball) if ball.is_finite() else inf
    return value if isfinite(value) else None


def _float(value: Fraction) -> float:
    try:
        return float(value)
    except OverflowError:
        return inf


def _functionals(
    problem: Problem, tilt: Tilt, chain: Chain[Any], law: Distribution, w: Number, defective: bool
) -> dict[str, Quantity | None]:
    """The functionals of the terminal law; ``None`` where one is infinite or not defined, as for a defective law."""
    logs = law.map(to_sympy, SYMBOLIC) if law.arithmetic is RATIONAL else law
    strength = float(w) if law.arithmetic is FLOATS else w if law.arithmetic is RATIONAL else to_sympy(w)

    def tilted(logarithms: bool = False) -> Distribution:
        found = tilted_law(tilt, law.states, law.arithmetic, strength)
        return found.map(to_sympy, SYMBOLIC) if logarithms and law.arithmetic is RATIONAL else found

    computed: dict[str, Callable[[], Any]] = {
        "entropy": lambda: entropy(logs),
        "posterior": lambda: posterior(law, problem),
        "reciprocal_posterior": lambda: reciprocal_posterior(law, problem),
        "kl_to_class": lambda: kl_divergence(logs, _class_law(problem, logs)),
        "kl_to_tilted": lambda: kl_divergence(logs, tilted(logarithms=True)),
        "tv_to_tilted": lambda: total_variation(law, tilted()),
        "mean_unmasking_clock": lambda: last_reveal(chain).mean,
    }
    out: dict[str, Quantity | None] = dict.fromkeys(FUNCTIONALS)
    for name in ("mean_unmasking_clock",) if defective else FUNCTIONALS:
        try:
            out[name] = Quantity.of(computed[name]())
        except DataError:
            out[name] = None
    return out


def _class_law(problem: Problem, law: Distribution) -> Distribution:
    weights = [problem.conditional.weight(x) for x in law.states]
    return Distribution(law.states, tuple(map(law.arithmetic.number, weights)), law.arithmetic)
