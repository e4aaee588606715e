"""The numerical referee: it solves the Kolmogorov equations from the SymPy equations alone, and knows no closed form.

``integrate`` follows ``dP/ds = A P`` in steps. With ``γ ≥ max Λ`` and ``B = 1 + A/γ`` it sums the Taylor series of
``e^{γs} P(s)``,

    P(s + h) = e^{−γh} Σ_k (γh)^k/k! · B^k P(s),

whose terms are all positive: nothing cancels, and positive probabilities stay positive. Where the fastest rate leaves
no hope of stepping (``γs > 200``) it integrates the resolvent over a contour around the spectrum instead,
``P(s) = (1/2πi) ∮ e^{zs} (z − A)^{−1} P(0) dz``. ``exponential`` encloses ``exp(A s) P(0)`` in balls.

References
----------
Jensen, *Markoff chains as an aid in the study of Markoff processes*, Skand. Aktuarietidskr. 36 (1953): the positive
series.
Moler, Van Loan, *Nineteen dubious ways to compute the exponential of a matrix, twenty-five years later*, SIAM Review 45
(2003): methods 1 (Taylor series) and 3 (scaling and squaring, on which matrix exponentials in balls rest).
Weideman, Trefethen, *Parabolic and hyperbolic contours for computing the Bromwich integral*, Math. Comp. 76 (2007).
"""

# SymPy types the parts of its trees as Basic; here they are expressions.
# pyright: reportArgumentType=false, reportAttributeAccessIssue=false

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import ceil, exp, log2, prod
from operator import itemgetter, mul
from typing import Any, TypeAlias

import flint
import mpmath
import sympy
from mpmath.libmp import to_rational
from sympy import Add, Derivative, Expr, Float, Mul, Pow, Rational, expand_mul

from symguide.chains.ode import KolmogorovSystem
from symguide.errors import ChainTooLargeError, ClockError, NotExactError, SymguideError
from symguide.laws.law import Context
from symguide.numbers.number import Number, read_number, to_sympy

__all__ = ["MAX_MATRIX", "Integration", "exponential", "integrate"]

MAX_MATRIX = 150
"""States beyond which no matrix exponential is formed."""
STEP = 48.0
"""Largest ``γh``; the series then takes some 200 products with ``B``."""
STIFF = 200.0
"""Largest ``γs`` that is walked in steps."""
TINY = 332
"""Bits spent at most on small values: relative accuracy is sought for values above ``10^−100``."""

Precise: TypeAlias = Any
"""An ``mpmath.mpf``; mpmath ships no types."""
Exact: TypeAlias = Number | Precise


@dataclass(frozen=True, slots=True)
class Integration:
    """What the integration of the Kolmogorov equations found at one clock.

    Attributes
    ----------
    clock
        ``s``.
    values
        ``P_x(s)`` by context.
    error
        No value is further than this from the solution. For steps a bound on truncation and rounding, see
        :func:`integrate`; for contours the distance to a second one with more nodes.
    steps
        Steps from the start to this clock, or nodes of the contour.

    >>> Integration(mpmath.mpf(0), {(None,): mpmath.mpf(1)}, mpmath.mpf(0), 0).values
    {(None,): mpf('1.0')}
    """

    clock: Precise
    values: Mapping[Context, Precise]
    error: Precise
    steps: int


def integrate(
    system: KolmogorovSystem, values: Mapping[Expr, Exact], clocks: Sequence[Exact], digits: int = 50
) -> tuple[Integration, ...]:
    """Integrate the Kolmogorov equations at high precision, and say how far off the result can be.

    Steps obey ``γh ≤ 48``. On a fixed-point grid the series stops where its remainder
    ``Σ_{k>K} e^{−γh} (γhβ)^k/k!``, with ``β = ‖B‖_1``, falls below one unit; rounding adds one unit per entry and
    product; from step to step an error grows by ``e^{γh(β−1)}`` at most, and not at all in a chain, where ``β ≤ 1``.
    The sum of all this is the reported error. A first run with other steps and fewer digits shows how small the values
    are, so that the second has ``digits`` right in every value it can see that is above ``10^−100``; should the two
    ever differ by more than both bounds, that difference is reported.

    Parameters
    ----------
    system
        The equations on the clock.
    values
        ``{symbol: value}`` for the strength, the data, or an abbreviation.
    clocks
        Values of ``s ≥ 0``, in any order; ``sympy.log(2)`` is one.
    digits
        Decimal digits wanted.

    Returns
    -------
    tuple of Integration
        One for every clock, in the given order.

    Raises
    ------
    ClockError
        For negative clocks, and for equations in time.
    SymguideError
        For equations that are no triangular linear system, and for symbols without a value.

    >>> from symguide.chains.family import rate_symbols
    >>> from symguide.chains.naming import named
    >>> from symguide.chains.ode import kolmogorov
    >>> from symguide.symbols import symbol, w
    >>> rate = symbol("r(M->0)", positive=True)
    >>> (found,) = integrate(kolmogorov(named(rate_symbols(1, 1), w)), {rate: 3}, [sympy.log(2)])
    >>> mpmath.nstr(found.values[(None,)], 40), bool(found.error < 1e-50)
    ('0.125', True)
    """
    rows = _rows(system)
    bits = ceil(digits * log2(10)) + 40
    first = _numeric(system, rows, values, clocks, bits)
    reach = float(first.gamma * max(first.clocks, default=mpmath.mpf(0)))
    stepping = reach <= STIFF
    method = _by_steps if stepping else _by_contour
    bits += min(TINY if stepping else TINY // 3, ceil(1.45 * reach))  # P_start = e^{−Λs} is as small as that
    coarse = method(_numeric(system, rows, values, clocks, bits), 0)
    smallest = min((value for found in coarse for value in found[0] if value > found[1]), default=mpmath.mpf(1))
    more = min(TINY, max(0, -mpmath.frexp(smallest)[1])) + 16
    fine_system = _numeric(system, rows, values, clocks, bits + more)
    fine = method(fine_system, 1)
    if not stepping:
        coarse = method(fine_system, 0)
    out = []
    for clock, (one, rough, _), (two, error, steps) in zip(fine_system.clocks, coarse, fine, strict=True):
        apart = max((abs(x - y) for x, y in zip(one, two, strict=True)), default=mpmath.mpf(0))
        known = error if apart <= rough + error else apart
        # A contour knows no sign; zero is nearer to a probability than what is below it.
        kept = (mpmath.mpf(0) if -known <= value < 0 else value for value in two)
        out.append(Integration(clock, dict(zip(system.states, kept, strict=True)), known, steps))
    return tuple(out)


def exponential(
    system: KolmogorovSystem, values: Mapping[Expr, Exact], clock: Exact, digits: int = 50
) -> Mapping[Context, flint.arb]:
    """Balls that provably contain the solution ``exp(A s) P(0)`` of the Kolmogorov equations.

    Precision is doubled, five times at most, until every relative radius is below ``10^−digits``.

    Parameters
    ----------
    system, values, clock, digits
        As for :func:`integrate`.

    Raises
    ------
    ChainTooLargeError
        For more than ``MAX_MATRIX`` states.
    ClockError, SymguideError
        As for :func:`integrate`.

    References
    ----------
    Johansson, *Arb: efficient arbitrary-precision midpoint-radius interval arithmetic*, IEEE Trans. Comput. 66 (2017).

    >>> from symguide.chains.family import rate_symbols
    >>> from symguide.chains.naming import named
    >>> from symguide.chains.ode import kolmogorov
    >>> from symguide.symbols import symbol, w
    >>> rate = symbol("r(M->0)", positive=True)
    >>> exponential(kolmogorov(named(rate_symbols(1, 1), w)), {rate: 3}, sympy.log(2))[(None,)].str(20, radius=False)
    '0.12500000000000000000'
    """
    size = len(system.states)
    if size > MAX_MATRIX:
        raise ChainTooLargeError(
            f"the matrix exponential of a chain with {size} contexts is beyond the limit of {MAX_MATRIX} contexts; "
            "take the ancestors of a few"
        )
    rows = _rows(system)
    tolerance = flint.arb(10) ** -digits
    found: list[flint.arb] = []
    for doubling in range(6):
        with flint.ctx.workprec((ceil(digits * log2(10)) + 64) << doubling):
            value = _evaluator(_BALLS, system.definitions, values)
            s = value(_clock(clock))
            generator = flint.arb_mat(size, size)
            for i, row in enumerate(rows):
                for j, coefficient in row.items():
                    generator[i, j] = value(coefficient) * s
            column = generator.exp() * flint.arb_mat(size, 1, [value(start) for start in _initial(system)])
            found = [column[i, 0] for i in range(size)]
            if all(ball == 0 or ball.rad() < abs(ball) * tolerance for ball in found):
                break
    return dict(zip(system.states, found, strict=True))


def _rows(system: KolmogorovSystem) -> tuple[Mapping[int, Expr], ...]:
    """The rows of ``A``, read off the right-hand sides."""
    place = {unknown: j for j, unknown in enumerate(system.unknowns)}
    rows: list[Mapping[int, Expr]] = [{} for _ in place]
    for equation in system.equations:
        left = equation.lhs
        if not isinstance(left, Derivative) or left.variables != (system.variable,) or left.expr not in place:
            raise SymguideError(f"equation {equation}: its left side is no derivative of an unknown; write dP/ds = A P")
        terms = _linear_terms(equation.rhs, place)
        if terms is None:
            terms = _linear_terms(expand_mul(equation.rhs), place)
        if terms is None or any(column > place[left.expr] for column in terms):
            raise SymguideError(
                f"equation {equation} is not linear in unknowns up to its own, so it is no equation of a guided chain; "
                "write dP/ds = A P with A triangular"
            )
        if any(coefficient.has(system.variable) for coefficient in terms.values()):
            raise ClockError(
                f"equation {equation}: its rates depend on {system.variable}, so it is no equation on the clock; "
                "take the equations in s"
            )
        rows[place[left.expr]] = terms
    return tuple(rows)


def _linear_terms(right: Expr, place: Mapping[Expr, int]) -> Mapping[int, Expr] | None:
    out: dict[int, list[Expr]] = {}
    for term in Add.make_args(right):
        unknowns = [factor for factor in Mul.make_args(term) if factor in place]
        others = [factor for factor in Mul.make_args(term) if factor not in place]
        if len(unknowns) != (term != 0) or any(factor.has(*place) for factor in others if factor.has(sympy.Function)):
            return None
        if unknowns:
            out.setdefault(place[unknowns[0]], []).append(Mul(*others))
    return {column: Add(*parts) for column, parts in out.items()}


def _initial(system: KolmogorovSystem) -> list[Expr]:
    given = {key.func: value for key, value in system.initial.items()}
    return [given[unknown.func] for unknown in system.unknowns]


def _clock(value: Exact) -> Expr:
    exact = _exact(value, "clock s")
    if exact.is_nonnegative is not True or exact.is_finite is False:
        raise ClockError(f"clock s is {value}: it runs from 0 to infinity; give a number in between")
    return exact


def _exact(value: Exact, what: str) -> Expr:
    if isinstance(value, mpmath.mpf):
        return to_sympy(Fraction(*map(int, to_rational(value._mpf_))))
    return to_sympy(read_number(value, what))


@dataclass(frozen=True, slots=True)
class _Field:
    """What expressions are evaluated to."""

    number: Callable[[Fraction], Any]
    functions: Mapping[type, Callable[[Any], Any]]


_PRECISE = _Field(lambda x: mpmath.mpf(x.numerator) / x.denominator, {sympy.exp: mpmath.exp, sympy.log: mpmath.log})
_BALLS = _Field(
    lambda x: flint.arb(flint.fmpq(x.numerator, x.denominator)),
    {sympy.exp: lambda x: x.exp(), sympy.log: lambda x: x.log()},
)


def _evaluator(field: _Field, definitions: Mapping[Expr, Expr], values: Mapping[Expr, Exact]) -> Callable[[Expr], Any]:
    """The value of expressions, each subexpression once; given values go before definitions."""
    meaning = {**definitions, **{key: _exact(value, str(key)) for key, value in values.items()}}
    known: dict[Expr, Any] = {}

    def form(expression: Expr) -> Any:
        if expression in meaning:
            return value(meaning[expression])
        match expression:
            case Rational() | Float():
                exact = Rational(expression)
                return field.number(Fraction(int(exact.p), int(exact.q)))
            case Add():
                first, *rest = map(value, expression.args)
                return sum(rest, start=first)
            case Mul():
                first, *rest = map(value, expression.args)
                return prod(rest, start=first)
            case Pow() if expression.exp.is_Integer:
                return value(expression.base) ** int(expression.exp)
            case Pow():
                return value(expression.base) ** value(expression.exp)
        if expression.func in field.functions:
            return field.functions[expression.func](value(expression.args[0]))
        raise NotExactError(
            f"{expression} in the equations has no value, so they cannot be solved in numbers; give a value"
        )

    def value(expression: Expr) -> Any:
        if expression not in known:
            known[expression] = form(expression)
        return known[expression]

    return value


@dataclass(frozen=True, slots=True)
class _Numeric:
    """``A``, ``P(0)`` and the clocks in mpmath, rounded at more than ``bits`` bits."""

    bits: int
    rows: tuple[Mapping[int, Precise], ...]
    start: tuple[Precise, ...]
    clocks: tuple[Precise, ...]
    gamma: Precise


def _numeric(
    system: KolmogorovSystem,
    rows: tuple[Mapping[int, Expr], ...],
    values: Mapping[Expr, Exact],
    clocks: Sequence[Exact],
    bits: int,
) -> _Numeric:
    with mpmath.workprec(bits + 80):
        value = _evaluator(_PRECISE, system.definitions, values)
        table = tuple({j: value(coefficient) for j, coefficient in row.items()} for row in rows)
        leaving: list[Any] = [mpmath.mpf(0)] * len(table)
        for i, row in enumerate(table):
            for j, rate in row.items():
                leaving[j] = leaving[j] + abs(rate) if i != j else leaving[j]
        fastest = max(abs(row.get(i, 0)) for i, row in enumerate(table))
        fastest = max(fastest, *leaving)  # more than the exit rates only where these are wrong
        gamma = mpmath.ldexp(mpmath.ceil(mpmath.ldexp(fastest, 20)), -20) or mpmath.mpf(1)
        start = tuple(map(value, _initial(system)))
        return _Numeric(bits, table, start, tuple(value(_clock(clock)) for clock in clocks), gamma)


_Found: TypeAlias = tuple[list[Precise], Precise, int]
"""Values, their error, steps."""


def _by_steps(system: _Numeric, refinement: int) -> list[_Found]:
    """Taylor steps on the grid ``2^−bits``; errors and norms are counted in its units."""
    bits, size = system.bits, len(system.rows)
    out: list[_Found] = [([], mpmath.mpf(0), 0)] * len(system.clocks)
    with mpmath.workprec(bits + 80):
        scale = mpmath.ldexp(1, bits)
        columns: list[int] = [0] * size
        table: list[tuple[Callable[[Any], Any], tuple[int, ...]]] = []
        for i, row in enumerate(system.rows):
            entries = {j: int(mpmath.nint(a / system.gamma * scale)) for j, a in row.items()}
            entries[i] = entries.get(i, 0) + (1 << bits)
            for j, entry in entries.items():
                columns[j] += abs(entry) + 1
            places = tuple(entries)
            # itemgetter returns a bare item for one place: a second, with weight 0, makes it a tuple.
            table.append((itemgetter(*places, *places[:1]), (*entries.values(), 0)))
        beta = float(max(columns) / scale)
        fill = max(len(weights) for _, weights in table)
        state = [int(mpmath.nint(value * scale)) for value in system.start]
        now, error, steps = mpmath.mpf(0), 0.0, 0
        for place in sorted(range(len(out)), key=lambda j: system.clocks[j]):
            reach = system.gamma * (system.clocks[place] - now)
            count = ceil(reach / (STEP / (1 + refinement / 2)))
            for _ in range(count):
                state, made = _step(table, state, reach / count, bits, beta, fill)
                error = error * exp(float(reach / count) * (beta - 1)) + made
            now, steps = system.clocks[place], steps + count
            out[place] = [value / scale for value in state], (error + 1) / scale, steps
    return out


def _step(
    table: Sequence[tuple[Callable[[Any], Any], tuple[int, ...]]],
    state: list[int],
    theta: Precise,
    bits: int,
    beta: float,
    fill: int,
) -> tuple[list[int], float]:
    """``e^{−θ} Σ_k θ^k/k! B^k P`` and its error in units of the grid, in the 1-norm."""
    weight = mpmath.ldexp(mpmath.exp(-theta), bits)
    sums = [int(mpmath.nint(weight)) * value for value in state]
    power, order, growth = state, 0, 1.0
    while True:
        order += 1
        weight = weight * theta / order
        remainder = float(weight) * growth * beta
        if order > 2 * float(theta) * beta and remainder < 1:
            break
        growth *= beta
        power = [sum(map(mul, weights, pick(power))) >> bits for pick, weights in table]
        factor = int(mpmath.nint(weight))
        sums = [total + factor * value for total, value in zip(sums, power, strict=True)]
    mass = float(mpmath.ldexp(sum(map(abs, state)), -bits))
    products = float(theta) * beta * exp(float(theta) * (beta - 1)) * (len(state) + fill * (mass + 1))
    return [total >> bits for total in sums], products + (order * growth + 2 * remainder) * (mass + 1) + len(state)


def _by_contour(system: _Numeric, refinement: int) -> list[_Found]:
    """The resolvent on the parabola ``z = μ (iθ + 1)²/s``, ``μ = πn/12``, by the midpoint rule with spacing ``3/n``."""
    nodes = ceil(system.bits * 0.331 * (1 + refinement / 4)) + 4  # error e^{−2πn/3}: n = bits · ln 2 · 3/2π
    out: list[_Found] = []
    for clock in system.clocks:
        with mpmath.workprec(system.bits + nodes + 40):  # |e^{zs}| reaches e^{πn/12}
            width = mpmath.mpf(3) / nodes
            sums = [mpmath.mpf(0)] * len(system.rows)
            for k in range(nodes):
                root = mpmath.mpc(1, (k + 0.5) * width)
                z = mpmath.pi * nodes / 12 * root**2
                weight = mpmath.exp(z) * root * nodes / 6 * width
                resolvent: list[Any] = []
                for i, row in enumerate(system.rows):
                    inflow = (a * clock * resolvent[j] for j, a in row.items() if j != i)
                    right = sum(inflow, start=mpmath.mpc(system.start[i]))
                    resolvent.append(right / (z - row.get(i, mpmath.mpf(0)) * clock))
                sums = [total + (weight * value).real for total, value in zip(sums, resolvent, strict=True)]
            out.append((sums, mpmath.ldexp(1, -system.bits), nodes))
    return out
