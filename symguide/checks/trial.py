"""Claimed probabilities of a chain, and exact points at which to try them."""

# SymPy types the parts of its trees as Basic; here they are expressions.
# pyright: reportArgumentType=false, reportReturnType=false, reportAttributeAccessIssue=false, reportCallIssue=false

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import cached_property
from math import ceil
from random import Random
from typing import Any

import flint
from sympy import Add, Expr, Float, Integer, Sum, Symbol

from symguide.chains.chain import Chain
from symguide.chains.family import PositionRate, TokenProbability
from symguide.chains.naming import NamedChain
from symguide.closed_forms.compiled import compile_expression
from symguide.closed_forms.solution import Solution
from symguide.errors import ClockError, DataError, NotExactError, StrengthError, SymguideError
from symguide.laws.law import Context, format_context
from symguide.numbers.arithmetic import BALLS
from symguide.numbers.exp_dd import exp_dd
from symguide.numbers.number import Number, canonical_string, read_number, to_sympy
from symguide.symbols import s, symbol, w

__all__ = ["Candidate", "Point", "Trial", "is_tight", "prepare"]

SEEDED = 2
"""Points of seeded values at which identities are tried, besides those asked for."""
DOUBLINGS = 6
"""How often precision is doubled before a value is left as uncertain as it is."""


@dataclass(frozen=True)
class Candidate:
    """Claimed probabilities of the contexts of a chain, by whomever.

    Attributes
    ----------
    named
        The chain, and what its abbreviations stand for.
    probabilities
        ``{context: P_x(s)}`` in the clock ``s``, the data and the abbreviations; contexts left out are claimed to have
        probability zero.

    Raises
    ------
    DataError
        For contexts that the chain never reaches.

    >>> from symguide.chains.family import representative
    >>> from symguide.closed_forms.solution import solve
    >>> Candidate.of(solve(representative(1))).probabilities[(None,)]
    exp(-s*Z)
    """

    named: NamedChain
    probabilities: Mapping[Context, Expr]

    def __post_init__(self) -> None:
        for context in self.probabilities:
            if context not in self.named.chain.index:
                raise DataError(
                    f"claimed probability of context {format_context(context)}: the chain never reaches that one, so "
                    "no equation speaks of it; leave it out"
                )

    @classmethod
    def of(cls, solution: Solution) -> "Candidate":
        """What a solution claims."""
        return cls(solution.named, dict(zip(solution.states, solution.probabilities, strict=True)))


@dataclass(frozen=True)
class Point:
    """Exact values of the open symbols, and a mask fraction ``u = e^{−s}``.

    >>> print(Point({w: Fraction(1, 2)}, Fraction(1, 3)))
    w = 1/2, u = 1/3
    """

    values: Mapping[Symbol, Fraction]
    u: Fraction

    def __str__(self) -> str:
        shown = [f"{key} = {canonical_string(value)}" for key, value in {**self.values, "u": self.u}.items()]
        return ", ".join(shown if len(shown) < 6 else ["…", *shown[-4:]])


@dataclass(frozen=True)
class Trial:
    """A candidate in plain symbols, with everything that is known of it at some exact points.

    Attributes
    ----------
    named
        The chain; where the data are functions of symbolic tokens, with a positive symbol in the place of each.
    claims
        ``P_x(s)`` for every context, in the order of the chain.
    given
        The chain as it came.
    whole
        The chain of which it is a part, or ``None``.
    asked, seeded
        Points somebody asked for, and others.
    digits
        Decimal digits wanted.
    seed
        Of samples.

    >>> from symguide.chains.family import representative
    >>> from symguide.closed_forms.solution import solve
    >>> trial = prepare(Candidate.of(solve(representative(1))), None, [Fraction(1, 2)], {}, 20, 0, None)
    >>> trial.slopes[0], len(trial.tables)
    (-Z*exp(-Z*s), 3)
    """

    named: NamedChain
    claims: tuple[Expr, ...]
    given: NamedChain
    whole: NamedChain | None
    asked: tuple[Point, ...]
    seeded: tuple[Point, ...]
    digits: int
    seed: int

    @property
    def chain(self) -> Chain[Expr]:
        """The chain of plain symbols."""
        return self.named.chain

    @property
    def points(self) -> tuple[Point, ...]:
        """All points, the asked ones first."""
        return (*self.asked, *self.seeded)

    @property
    def is_family(self) -> bool:
        """Whether contexts show symbolic tokens, so that each reveal stands for one per token."""
        return any(isinstance(token, Expr) for context in self.chain.states for token in context)

    @cached_property
    def slopes(self) -> tuple[Expr, ...]:
        """``dP_x/ds``, by SymPy."""
        return tuple(claim.diff(s) for claim in self.claims)

    @cached_property
    def rates(self) -> tuple[Expr, ...]:
        """The different rates of the chain, exit rates included."""
        return (*dict.fromkeys([reveal.rate for row in self.chain.incoming for reveal in row]), *self.chain.exit_rates)

    @cached_property
    def tables(self) -> tuple[Mapping[Expr, flint.arb], ...]:
        """Enclosures of claims and rates at every point."""
        return tuple(self.enclose([*self.claims, *self.rates], self.points))

    def enclose(self, expressions: Iterable[Expr], points: Iterable[Point]) -> Iterator[Mapping[Expr, flint.arb]]:
        """Balls for some expressions at some points, if possible with three digits more than wanted."""
        wanted = list(dict.fromkeys(expressions))
        function = self._compiled(wanted)
        for point in points:
            values: dict[Expr, flint.arb] = {}
            for doubling in range(DOUBLINGS):
                with flint.ctx.workprec((4 * self.digits + 64) << doubling):
                    clock = -BALLS.number(point.u).log()
                    balls = function(*map(BALLS.number, point.values.values()), clock)
                    values = dict(zip(wanted, balls, strict=True))
                    if all(is_tight(ball, abs(ball), self.digits + 3) for ball in balls):
                        break
            yield values

    def _compiled(self, expressions: Sequence[Expr]) -> Callable[..., Sequence[flint.arb]]:
        # A divided difference occurs in many claims: named like an abbreviation, it is evaluated once.
        atoms = sorted(set().union(*(expression.atoms(exp_dd) for expression in expressions)), key=str)
        shared = {atom: symbol(f"divided difference {j}", positive=True) for j, atom in enumerate(atoms)}
        definitions = {**self.named.definitions, **{name: atom for atom, name in shared.items()}}
        short = [expression.xreplace(shared) for expression in expressions]
        return compile_expression(short, [*self.points[0].values, s], definitions, "balls")


def prepare(
    candidate: Candidate,
    strength: Number | None,
    fractions: Sequence[Number],
    values: Mapping[Expr, Number],
    digits: int,
    seed: int,
    whole: NamedChain | None,
) -> Trial:
    """Read what is asked for, and give every symbol left open a seeded value.

    Raises
    ------
    StrengthError, ClockError
        For a strength or a mask fraction at which the claims mean nothing.
    NotExactError
        For floats in the chain or the claims.
    SymguideError
        For values of symbols that do not occur.

    >>> from symguide.chains.family import representative
    >>> from symguide.closed_forms.solution import solve
    >>> candidate = Candidate.of(solve(representative(1)))
    >>> [str(point) for point in prepare(candidate, 1, [Fraction(1, 2)], {}, 20, 0, None).asked]
    ['Z = 177/61, p_1(x_1) = 25/61, p_1(x_1|z) = 49/61, w = 1, u = 1/2']
    """
    given = replace(candidate.named, chain=_compact(candidate.named.chain))
    claims = tuple(candidate.probabilities.get(context, Integer(0)) for context in given.chain.states)
    rates = dict.fromkeys([*(reveal.rate for row in given.chain.incoming for reveal in row), *given.chain.exit_rates])
    meanings = {key: value for key, value in given.definitions.items() if not value.has(Sum)}
    spoken = [*claims, *rates, *meanings.values()]
    for expression in spoken:
        if expression.has(Float):
            raise NotExactError(
                f"{expression} holds floats, so nothing exact can be said of it; give the data as fractions"
            )
    atoms = set().union(*(expression.atoms(PositionRate, TokenProbability) for expression in spoken))
    plain = {atom: symbol(str(atom), positive=True) for atom in atoms}
    names = {key.xreplace(plain): value.xreplace(plain) for key, value in meanings.items()}
    chain = given.chain.map(lambda rate: rate.xreplace(plain), given.chain.arithmetic)
    free = set().union(*(expression.xreplace(plain).free_symbols for expression in spoken)) - {s, *names}
    fixed = {plain.get(key, key): _rational(value, f"value of {key}") for key, value in values.items()}
    if not fixed.keys() <= free:
        raise SymguideError(
            f"values are given for {sorted(map(str, fixed.keys() - free))}, of which the claims do not speak; drop them"
        )
    random = Random(seed)
    symbols = sorted(free, key=str)
    drawn = [{key: _seeded(key, random) for key in symbols} | fixed for _ in range(SEEDED + 1)]
    if strength is not None and w in free:
        drawn[0][w] = _strength(strength, chain)
    totals = {plain[key]: value for key, value in given.definitions.items() if value.has(Sum) and key in plain}
    listed = {key: _listed(value, given.chain, plain) for key, value in totals.items()}
    for point in drawn:
        for key in listed.keys() - fixed.keys():
            point[key] += ceil(listed[key].xreplace({name: to_sympy(value) for name, value in point.items()}))
    first, *others = drawn
    return Trial(
        NamedChain(chain, names, given.w),
        tuple(claim.xreplace(plain) for claim in claims),
        given,
        whole,
        tuple(Point(first, _fraction(value)) for value in fractions),
        tuple(Point(other, Fraction(random.randint(1, 96), 97)) for other in others),
        digits,
        seed,
    )


def is_tight(ball: flint.arb, scale: flint.arb, digits: int) -> bool:
    """Whether a ball's radius is below ``10^−digits`` of a scale.

    >>> is_tight(flint.arb(1, 1e-12), flint.arb(1), 10)
    True
    """
    return bool(ball.is_finite() and (ball.is_exact() or ball.rad() <= scale * flint.arb(10) ** -digits))


def _listed(total: Expr, chain: Chain[Expr], plain: Mapping[Expr, Symbol]) -> Expr:
    """The summands of sums over all tokens that belong to listed reveals: a value for the sum must exceed them."""
    tokens = {token for context in chain.states for token in context if isinstance(token, Expr)}
    summands = [whole.function.xreplace({whole.limits[0][0]: token}) for whole in total.atoms(Sum) for token in tokens]
    return Add(*(part.xreplace(plain) for part in summands if part.atoms(TokenProbability) <= plain.keys()))


def _compact(chain: Chain[Expr]) -> Chain[Expr]:
    """Without the exit rates that no context has; a part of a chain still lists those of the whole."""
    used = {old: new for new, old in enumerate(dict.fromkeys(chain.exit_of))}
    return replace(
        chain,
        exit_rates=tuple(chain.exit_rates[old] for old in used),
        exit_of=tuple(used[old] for old in chain.exit_of),
    )


def _seeded(key: Symbol, random: Random) -> Fraction:
    return Fraction(random.randint(-11, 48), 12) if key == w else Fraction(random.randint(1, 60), 61)


def _rational(value: Number, what: str, error: type[SymguideError] = SymguideError) -> Fraction:
    number = read_number(value, what, error)
    if isinstance(number, Expr):
        raise NotExactError(f"{what} is {number}: only rational numbers are carried exactly here; give a fraction")
    return Fraction(number)


def _strength(given: Number, chain: Chain[Any]) -> Fraction:
    value = _rational(given, "guidance strength w", StrengthError)
    if value < -1 or (value == -1 and not chain.includes_unconditional):
        remedy = "use w >= -1" if value < -1 else "w = -1 is a chain of its own: verify that one"
        raise StrengthError(f"guidance strength w is {canonical_string(value)}: the claims do not hold there; {remedy}")
    return value


def _fraction(given: Number) -> Fraction:
    value = _rational(given, "mask fraction u", ClockError)
    if not 0 < value <= 1:
        raise ClockError(
            f"mask fraction u is {canonical_string(value)}: the equations run over 0 < u <= 1, and the limit u = 0 is "
            "checked anyway; give one in between"
        )
    return value
