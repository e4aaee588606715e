"""Closed forms compiled to functions of ``w`` and ``u``: NumPy arrays, mpmath, balls, all from one SymPy expression.

NumPy functions keep twelve digits wherever the value is a normal double, whatever happens on the way: see
:mod:`symguide.closed_forms.program`. mpmath functions keep the digits of the working precision, and balls contain the
value.
"""

# SymPy types the parts of its trees as Basic; here they are expressions.
# pyright: reportArgumentType=false, reportReturnType=false, reportAttributeAccessIssue=false

from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction
from functools import cache
from typing import Any

import flint
import mpmath
import numpy as np
from sympy import Expr, Float, Rational, Symbol, exp, lambdify
from sympy import log as ln

from symguide.closed_forms.loops import loops
from symguide.closed_forms.printers import TARGETS
from symguide.closed_forms.program import Program
from symguide.closed_forms.solution import Solution
from symguide.closed_forms.tape import Tape
from symguide.errors import ClockError, StrengthError, SymguideError
from symguide.laws.strength import require_strength
from symguide.numbers.arithmetic import BALLS
from symguide.numbers.number import Number, read_number, shown
from symguide.numbers.numeral import long_integers
from symguide.schedules.noise_schedule import NoiseSchedule
from symguide.symbols import s, t, u, w

__all__ = ["BACKENDS", "compile_expression", "compile_solution", "enclose"]

BACKENDS = ("numpy", "numba")
"""What runs functions of arrays in doubles."""
MAX_BITS = 100_000
"""Precision at which enclosures stop being refined."""


def compile_expression(
    expressions: Expr | Sequence[Expr],
    arguments: Sequence[Symbol],
    definitions: Mapping[Any, Expr] | None = None,
    target: str = "numpy",
    log: bool | str = False,
    complements: Mapping[Expr, Expr] | None = None,
    backend: str = "numpy",
    stacked: bool = False,
) -> Callable[..., Any]:
    """Compile closed forms to one function of some symbols.

    Parameters
    ----------
    expressions
        One expression, or several for a function that returns a list.
    arguments
        The symbols that become parameters, in order.
    definitions
        Abbreviations used by the expressions; each is evaluated once per call.
    target
        ``"numpy"`` (double precision, broadcasting), ``"mpmath"`` (working precision) or ``"balls"`` (python-flint).
    log
        ``True`` for natural logarithms of positive expressions, ``"minus-log"`` for ``ln(−ln P)``, both formed in the
        log domain and finite where the expressions underflow or overflow (NumPy only).
    complements
        ``{P: 1 − P}`` where both are known as sums of positive terms, so that ``ln P`` keeps its digits for ``P``
        near 1.
    backend
        What runs the NumPy target in doubles: ``"numpy"`` alone, or ``"numba"``, whose compiled loops add and take
        divided differences (extra ``compiled``). Both obey the same bound on errors.
    stacked
        Whether several expressions give one array, with the expressions along its first axis (NumPy only).

    Returns
    -------
    callable
        NumPy values have a relative error of at most ``1e−12`` wherever they are normal doubles: sums, products,
        quotients and powers of ``b^w``, ``u^Λ``, ``e^{−Λs}`` and ``exp_dd``, and logarithms of them. Other functions
        are evaluated in doubles. ``0 ln 0 = 0``.

    Raises
    ------
    SymguideError
        For an unknown target or backend, for a backend that is not installed, and for symbols that are neither
        arguments nor defined.

    >>> from sympy import symbols
    >>> from symguide.numbers.exp_dd import exp_dd
    >>> a, b = symbols("a b", positive=True)
    >>> f = compile_expression(exp_dd((a, b), s), [a, b, s])
    >>> float(f(1.0, 1.0 + 1e-16, 2.0))
    0.2706705664732254
    >>> float(compile_expression(exp_dd((a, b), s), [a, b, s], log=True)(1e4, 2e4, 1.0))
    -10009.210340371976
    >>> float(compile_expression((1 - exp(-a * s)) / a, [a, s])(0.5, 1e-300))  # where doubles would give 0
    1e-300
    """
    if target not in TARGETS:
        raise SymguideError(f"compilation target {target!r} is unknown; choose one of {', '.join(TARGETS)}")
    if log not in (False, True, "minus-log"):
        raise SymguideError(f"log is {log!r}, which is no scale of values; choose False, True or 'minus-log'")
    if log and target != "numpy":
        raise SymguideError(
            f"target {target!r} has no log domain, its exponents are unbounded; take the logarithm itself"
        )
    single = isinstance(expressions, Expr)
    _require_arrays(target, backend, stacked, single)
    wanted: list[Any] = [expressions] if isinstance(expressions, Expr) else list(expressions)
    meanings = dict(definitions or {})
    _require_known(wanted, arguments, meanings)
    if target == "numpy":
        program = _program(wanted, arguments, meanings, log, complements, backend)
        if stacked:
            return lambda *values: program.run(*values)[0]
        return (lambda *values: program(*values)[0]) if single else program
    function = _printed(wanted, arguments, meanings, target)
    if target == "mpmath":
        function = _to_working_precision(function, _enclosures(wanted, arguments, meanings), len(wanted))
    return (lambda *values: function(*values)[0]) if single else function


def _require_arrays(target: str, backend: str, stacked: bool, single: bool) -> None:
    if backend not in BACKENDS:
        raise SymguideError(f"backend {backend!r} is unknown; choose one of {', '.join(BACKENDS)}")
    if backend != "numpy" and target != "numpy":
        raise SymguideError(f"target {target!r} computes in no doubles, so backend {backend!r} is idle; leave it out")
    if stacked and target != "numpy":
        raise SymguideError(f"target {target!r} has values that no array holds; leave out stacked")
    if stacked and single:
        raise SymguideError("stacked is for several expressions, and this is one; give a list of them or leave it out")


def _require_known(wanted: Sequence[Expr], arguments: Sequence[Symbol], definitions: Mapping[Any, Expr]) -> None:
    known = {*arguments, *definitions}
    names = {key: Symbol(f"x{j}") for j, key in enumerate(definitions)}
    spoken = [expression.xreplace(names) for expression in (*wanted, *definitions.values())]
    missing = set().union(*(expression.free_symbols for expression in spoken)) - known - set(names.values())
    if missing:
        raise SymguideError(
            f"symbols {sorted(map(str, missing))} are neither arguments nor defined, so the function has no value; "
            "add them to the arguments"
        )


def _program(
    wanted: Sequence[Expr],
    arguments: Sequence[Symbol],
    definitions: Mapping[Any, Expr],
    log: bool | str,
    complements: Mapping[Expr, Expr] | None,
    backend: str,
) -> Program:
    def wide() -> Tape:
        tape = Tape(wanted, arguments, definitions, complements, in_logs=True)
        if log:
            tape.in_logarithms(minus=log == "minus-log")
        return tape

    balls = _enclosures(wanted, arguments, definitions)

    def enclosed(values: list[float], number: int) -> float:
        ball = _refined(balls(number), lambda: [flint.arb(value) for value in values], 20)
        return float(ball.mid()) if ball.is_finite() else np.nan

    compiled = loops() if backend == "numba" else None
    return Program(lambda: Tape(wanted, arguments, definitions), wide, None if log else enclosed, bool(log), compiled)


def _enclosures(
    wanted: Sequence[Expr], arguments: Sequence[Symbol], definitions: Mapping[Any, Expr]
) -> Callable[[int], Callable[..., flint.arb]]:
    """The ball functions of several expressions, each made when it is first needed."""

    @cache
    def balls(number: int) -> Callable[..., flint.arb]:
        exact = [_without_floats(value) for value in (wanted[number], *definitions.values())]
        function = _printed(exact[:1], arguments, dict(zip(definitions, exact[1:], strict=True)), "balls")
        return lambda *values: function(*values)[0]

    return balls


def _without_floats(expression: Expr) -> Expr:
    """A function of doubles takes them as the numbers they are."""
    return expression.xreplace({value: Rational(Fraction(float(value))) for value in expression.atoms(Float)})


def _printed(
    wanted: Sequence[Expr], arguments: Sequence[Symbol], definitions: Mapping[Any, Expr], target: str
) -> Callable[..., Any]:
    """The function that SymPy's printed code defines."""
    # Abbreviations print as they read, not as Python names.
    names = {key: Symbol(f"x{j}", positive=True) for j, key in enumerate(definitions)}
    defined = [(names[key], value.xreplace(names)) for key, value in definitions.items()]
    printer, modules = TARGETS[target]
    settings = {"fully_qualified_modules": False, "inline": True, "allow_unknown_functions": True, "user_functions": {}}
    return lambdify(
        list(arguments),
        [expression.xreplace(names) for expression in wanted],
        modules=modules,
        printer=printer(settings),
        cse=lambda parts: (defined, parts),
    )


def _to_working_precision(function: Callable[..., Any], balls: Callable[[int], Any], count: int) -> Callable[..., Any]:
    """Values to the working precision of mpmath, whatever cancels or is exponentiated on the way.

    Balls know how precise they are; where an expression has none, precision is doubled until two results agree.
    """

    def precise(*values: Any) -> list[Any]:
        points = [mpmath.mpmathify(value) for value in values]
        try:
            return [_midpoint(balls(number), points) for number in range(count)]
        except SymguideError:
            return _repeated(function, points)

    return precise


def _midpoint(balls: Callable[..., flint.arb], points: Sequence[Any]) -> Any:
    ball = _refined(balls, lambda: list(map(_exact_ball, points)), mpmath.mp.dps + 5)
    if not ball.is_finite():
        return mpmath.inf if ball > 0 else mpmath.ninf if ball < 0 else mpmath.nan
    mantissa, exponent = ball.mid().man_exp()
    return mpmath.ldexp(int(mantissa), int(exponent)) + 0


def _exact_ball(point: Any) -> flint.arb:
    if not mpmath.isfinite(point):
        return flint.arb(str(float(point)))
    return flint.arb((int(mpmath.sign(point)) * int(point.man), int(point.exp)))


def _repeated(function: Callable[..., Any], points: Sequence[Any]) -> list[Any]:
    digits = mpmath.mp.prec
    guard, before = 30, None
    while True:
        with mpmath.workprec(digits + guard):
            found = [mpmath.mpmathify(value) for value in function(*points)]
            limit = mpmath.ldexp(1, -digits - 4)
            agreed = before is not None and all(_agree(*pair, limit) for pair in zip(found, before, strict=True))
        if agreed or guard > MAX_BITS:
            return [+value for value in found]
        before, guard = found, 2 * guard + digits // 2


def _agree(left: Any, right: Any, limit: Any) -> bool:
    if left == right or (mpmath.isnan(left) and mpmath.isnan(right)):
        return True
    return mpmath.isfinite(left) and mpmath.isfinite(right) and abs(left - right) <= limit * abs(left)


def compile_solution(
    solution: Solution,
    expressions: Expr | Sequence[Expr],
    schedule: NoiseSchedule | None = None,
    target: str = "numpy",
    log: bool | str = False,
    backend: str = "numpy",
    stacked: bool = False,
) -> Callable[..., Any]:
    """Compile closed forms of a solution to a function of ``(w, u)``, or of ``(w, t)`` under a noise schedule.

    Parameters
    ----------
    solution
        Whose ``definitions`` resolve the abbreviations; its data must be numbers.
    expressions
        For example ``solution.tv``, ``solution[context]`` or ``solution.probabilities``; any form in the clock ``s``,
        in ``u = e^{−s}``, in ``w`` and in the abbreviations.
    schedule
        With one, the second parameter is time ``t ∈ [0, T]``.
    target, log, backend, stacked
        As for :func:`compile_expression`; ``ln TV`` and ``ln(−ln TV)`` are relatively accurate near ``TV = 1`` too.

    Returns
    -------
    callable
        ``f(w, u)`` with ``w ≥ −1`` (``w > −1`` where ``w = −1`` is a chain of its own) and ``u ∈ [0, 1]``, 0 being the
        terminal law; arrays broadcast. NumPy values have a relative error of at most ``1e−12`` for ``w ≤ 1000`` and
        every ``u ≥ 1e−300`` wherever they are normal doubles, however large the exit rates.

    Raises
    ------
    StrengthError, ClockError
        From the function, for ``w`` and ``u`` outside these ranges, and for values beyond the range of doubles.

    >>> from symguide.chains.chain import guided_chain
    >>> from symguide.instances.datasets import load
    >>> from symguide.closed_forms.solution import solve
    >>> from symguide.laws.tilt import guidance
    >>> solution = solve(guided_chain(guidance(load("squares-overlap"))))
    >>> compile_solution(solution, solution.tv)(np.array([0.0, 1.0, 16.0]), 0.5)
    array([0.75      , 0.64356243, 0.50000191])
    >>> compile_solution(solution, solution.probabilities, stacked=True)(1.0, np.linspace(0.1, 0.9, 5)).shape
    (16, 5)
    >>> single = solve(guided_chain(guidance(load("interval-overlap"))))
    >>> float(compile_solution(single, single.tv, log="minus-log")(1000.0, 0.5))  # ln Z + ln ln 2
    692.3752...
    """
    single = isinstance(expressions, Expr)
    wanted = [expressions] if isinstance(expressions, Expr) else list(expressions)
    includes = solution.named.chain.includes_unconditional
    definitions: dict[Any, Expr] = dict(solution.definitions)
    if schedule is None:
        point: Symbol = u
        definitions[s] = -ln(u)
    else:
        point = s if target == "numpy" else t
        definitions |= {u: exp(-s)} if target == "numpy" else {s: schedule.clock, u: exp(-s)}
    _require_arrays(target, backend, stacked, single)
    complement = _complement(solution, wanted) if log else None
    function: Any = compile_expression(wanted, [w, point], definitions, target, log, complement, backend)

    def precise(strength: Any, at: Any) -> Any:
        if target == "balls":
            strength, at = _ball(strength), _ball(at)
        require_strength(strength, includes)
        if schedule is None and not 0 <= at <= 1:
            raise ClockError(f"mask fraction u is {at}: outside [0, 1] the law is not defined; correct it")
        values = function(strength, at)
        return values[0] if single else values

    def checked(strength: Any, at: Any) -> Any:
        strength = _doubles(strength, "guidance strength w", StrengthError)
        at = _doubles(at, "mask fraction u" if schedule is None else "time t", ClockError)
        require_strength(strength, includes)
        if schedule is None:
            _require_fractions(at)
        else:
            at = np.asarray(schedule.clock_at(at), dtype=np.float64)
        values, finite = function.run(strength, at)
        if not finite:
            _require_numbers(values, strength, bool(log))
        return values if stacked else values[0] if single else list(values)

    return checked if target == "numpy" else precise


def _complement(solution: Solution, wanted: Sequence[Expr]) -> Mapping[Expr, Expr] | None:
    """``1 − TV``: the mass that has arrived."""
    if isinstance(solution.named.chain.vocabulary, Expr) or solution.tv not in wanted:
        return None
    chain, expansion = solution.named.chain, solution.expansion
    leaving = set(chain.transient)
    arrived = expansion.combine(state for state in range(len(chain.states)) if state not in leaving)
    return {solution.tv: expansion.at(s, [arrived])[0]}


def _ball(value: Any) -> flint.arb:
    return value if isinstance(value, flint.arb) else BALLS.number(read_number(value, "argument of a ball function"))


def _doubles(value: object, what: str, error: type[SymguideError]) -> np.ndarray:
    """Numbers of any kind as doubles; text is never read, and truth values are no numbers."""
    try:
        array = np.asarray(value)
        if array.dtype.kind in "fiuO":
            return array.astype(np.float64)
    except (TypeError, ValueError):
        pass
    raise error(f"{what} is {shown(value)}: that is no array of numbers; give floats, integers or fractions")


def _require_fractions(fraction: np.ndarray) -> None:
    good = (fraction >= 0) & (fraction <= 1)
    if not good.all():
        value = fraction[~good].flat[0]
        raise ClockError(f"mask fraction u is {value}: outside [0, 1] the law is not defined; correct it")


def _require_numbers(values: Sequence[Any], strength: np.ndarray, log: bool) -> None:
    if any(np.isnan(value).any() for value in values):
        raise SymguideError(
            "a closed form has a value that is no real number, such as a logarithm of a negative one or 0/0 at a tie "
            "of exit rates; compile another form of it, such as one in exp_dd"
        )
    if not log and any(np.isinf(value).any() for value in values):
        raise StrengthError(
            f"guidance strength w goes up to {strength.max():g}: values leave the range of double precision; "
            "compile their logarithms, or use the mpmath target"
        )


def enclose(
    expression: Expr,
    values: Mapping[Symbol, Number],
    definitions: Mapping[Any, Expr] | None = None,
    digits: int = 20,
    then: Callable[[flint.arb], flint.arb] = lambda ball: ball,
) -> flint.arb:
    """A ball that provably contains ``then(expression)`` at exact arguments, with ``digits`` correct digits if
    possible.

    Precision is doubled until the relative radius is below ``10^−digits`` or ``MAX_BITS`` are reached; the ball holds
    the value in either case.

    >>> from symguide.numbers.exp_dd import exp_dd
    >>> with flint.ctx.workdps(20):
    ...     enclose(exp_dd((Symbol("a"), Symbol("b")), s), {key: Fraction(1) for key in (Symbol("a"), Symbol("b"), s)})
    [0.36787944117144232160 +/- 4.48e-21]
    """
    symbols = list(values)
    with long_integers():  # lambdify writes the expression into a docstring, whatever its length
        function = compile_expression(expression, symbols, definitions, "balls")
    return _refined(
        lambda *balls: then(function(*balls)), lambda: [BALLS.number(values[symbol]) for symbol in symbols], digits
    )


def _refined(function: Callable[..., flint.arb], arguments: Callable[[], list[flint.arb]], digits: int) -> flint.arb:
    bits = 64 + 4 * digits
    while True:
        with flint.ctx.workprec(bits):
            ball = function(*arguments())
            narrow = ball == 0 or (ball.is_finite() and ball.rad() < abs(ball) * flint.arb(10) ** -digits)
            if narrow or 2 * bits > MAX_BITS:
                return ball
        bits *= 2
