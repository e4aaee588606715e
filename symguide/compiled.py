"""Closed forms compiled to functions of ``w`` and ``u``: NumPy arrays, mpmath, balls, all from one SymPy expression.

A closed form is a sum of positive terms in divided differences, so nothing cancels: the NumPy functions inherit the
accuracy of ``exp_dd_float`` and of ``power_float``; their logarithms are formed in the log domain.
"""

# SymPy types the parts of its trees as Basic; here they are expressions.
# pyright: reportArgumentType=false, reportReturnType=false, reportAttributeAccessIssue=false

import sys
from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction
from typing import Any

import flint
import numpy as np
from sympy import Add, Expr, Function, Mul, Pow, Rational, Symbol, lambdify
from sympy import log as ln
from sympy.printing.numpy import NumPyPrinter
from sympy.printing.pycode import MpmathPrinter, PythonCodePrinter

from symguide.arithmetic import BALLS, power_float, power_parts
from symguide.divided_differences import exp_dd_ball, exp_dd_float, exp_dd_mp, log_exp_dd_float
from symguide.errors import ClockError, NotExactError, StrengthError, SymguideError
from symguide.exp_dd import exp_dd
from symguide.number import Number, read_number
from symguide.schedule import NoiseSchedule
from symguide.solution import Solution
from symguide.strength import require_strength
from symguide.symbols import s, t, u, w

__all__ = ["TARGETS", "compile_expression", "compile_solution", "enclose"]

MAX_BITS = 100_000
"""Precision at which enclosures stop being refined."""


class _Log(Function):
    """Marks an expression of which the logarithm is wanted."""


class _NumPy(NumPyPrinter):
    def _print_Pow(self, expr: Pow, rational: bool = False) -> str:
        if expr.base.is_Rational and expr.base.is_positive and not expr.exp.is_Rational:
            return f"power_float(Fraction({expr.base.p}, {expr.base.q}), {self._print(expr.exp)})"
        if expr.base.is_number and expr.base.is_positive and expr.exp.free_symbols:
            logarithm = ln(expr.base).evalf(40)
            high = float(logarithm)
            low = float((ln(expr.base) - Rational(high)).evalf(20))
            return f"power_parts({high!r}, {low!r}, {self._print(expr.exp)})"
        return super()._print_Pow(expr, rational=rational)

    def _print_exp_dd(self, expr: exp_dd) -> str:
        return f"exp_dd(({', '.join(map(self._print, expr.nodes))},), {self._print(expr.clock)})"

    def _print__Log(self, expr: _Log) -> str:
        return self._log_of(expr.args[0])

    def _log_of(self, expr: Expr) -> str:
        """The logarithm of a positive expression: products become sums, sums ``logsumexp``."""
        match expr:
            case Mul():
                return "(" + " + ".join(map(self._log_of, expr.args)) + ")"
            case Add():
                return f"logsumexp([{', '.join(map(self._log_of, expr.args))}])"
            case Pow():
                return f"({self._print(expr.exp)})*{self._log_of(expr.base)}"
            case exp_dd():
                return f"log_{self._print(expr)}"
        if expr.func.__name__ == "exp":
            return f"({self._print(expr.args[0])})"
        if expr.is_Number and not expr.is_nonnegative:
            raise SymguideError(
                f"{expr} is a negative term, so the log domain cannot carry it; compile the value instead"
            )
        if expr == 0:
            return "-inf"
        return self._print(ln(expr)) if not expr.is_Number else repr(float(ln(expr)))


class _Mpmath(MpmathPrinter):
    def _print_exp_dd(self, expr: exp_dd) -> str:
        return f"exp_dd(({', '.join(map(self._print, expr.nodes))},), {self._print(expr.clock)})"


class _Ball(PythonCodePrinter):
    def _print_Rational(self, expr: Any) -> str:
        return f"fraction({expr.p:#x}, {expr.q:#x})"  # Python bounds the digits of decimal literals only

    _print_Integer = _print_Half = _print_Zero = _print_One = _print_NegativeOne = _print_Rational

    def _print_Pi(self, expr: Any) -> str:
        return "pi()"

    def _print_Exp1(self, expr: Any) -> str:
        return "exp(fraction(1, 1))"

    def _print_NumberSymbol(self, expr: Any) -> str:
        raise SymguideError(f"{expr} has no enclosure here, so the expression cannot be compiled to balls; rewrite it")

    # Everything that would otherwise print as a Python float or complex number.
    _print_Infinity = _print_NegativeInfinity = _print_NaN = _print_NumberSymbol  # pyright: ignore[reportAssignmentType]
    _print_ComplexInfinity = _print_ImaginaryUnit = _print_NumberSymbol  # pyright: ignore[reportAssignmentType]

    def _print_Float(self, expr: Any) -> str:
        raise NotExactError(f"{expr} is a float, so no ball is known to hold what it stands for; give it as a fraction")

    def _print_Pow(self, expr: Pow, rational: bool = False) -> str:
        exponent = f"{int(expr.exp):#x}" if expr.exp.is_Integer else self._print(expr.exp)
        return f"({self._print(expr.base)})**({exponent})"

    def _print_Function(self, expr: Function) -> str:
        name = expr.func.__name__
        if name not in _BALL_FUNCTIONS:
            raise SymguideError(
                f"{name} has no enclosure here, so the expression cannot be compiled to balls; rewrite it"
            )
        return f"{name}({', '.join(map(self._print, expr.args))})"

    _print_log = _print_exp = _print_Abs = _print_sin = _print_cos = _print_Function
    _print_tan = _print_asin = _print_acos = _print_atan = _print_sqrt = _print_Function

    def _print_exp_dd(self, expr: exp_dd) -> str:
        return f"exp_dd(({', '.join(map(self._print, expr.nodes))},), {self._print(expr.clock)})"


def _logsumexp(values: Sequence[Any]) -> Any:
    return np.logaddexp.reduce(np.broadcast_arrays(*values), axis=0)


_BALL_FUNCTIONS: Mapping[str, Callable[..., Any]] = {
    "exp": lambda x: x.exp(),
    "log": lambda x: x.log(),
    "sin": lambda x: x.sin(),
    "cos": lambda x: x.cos(),
    "tan": lambda x: x.tan(),
    "asin": lambda x: x.asin(),
    "acos": lambda x: x.acos(),
    "atan": lambda x: x.atan(),
    "Abs": abs,
}

TARGETS: Mapping[str, tuple[type, list[Any]]] = {
    "numpy": (
        _NumPy,
        [
            {
                "exp_dd": exp_dd_float,
                "log_exp_dd": log_exp_dd_float,
                "logsumexp": _logsumexp,
                "power_float": power_float,
                "power_parts": power_parts,
                "Fraction": Fraction,
                "inf": np.inf,
            },
            "numpy",
        ],
    ),
    "mpmath": (_Mpmath, [{"exp_dd": exp_dd_mp}, "mpmath"]),
    "balls": (
        _Ball,
        [
            {
                **_BALL_FUNCTIONS,
                "exp_dd": exp_dd_ball,
                "fraction": lambda p, q: flint.arb(flint.fmpq(p, q)),
                "pi": flint.arb.pi,
            }
        ],
    ),
}
"""What closed forms compile to, with SymPy's printer and the namespace of the printed code."""


def compile_expression(
    expressions: Expr | Sequence[Expr],
    arguments: Sequence[Symbol],
    definitions: Mapping[Any, Expr] | None = None,
    target: str = "numpy",
    log: bool = False,
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
        Return natural logarithms of positive expressions, formed in the log domain (NumPy only).

    Raises
    ------
    SymguideError
        For an unknown target, and for symbols that are neither arguments nor defined.

    >>> from sympy import symbols
    >>> a, b = symbols("a b", positive=True)
    >>> f = compile_expression(exp_dd((a, b), s), [a, b, s])
    >>> float(f(1.0, 1.0 + 1e-16, 2.0))
    0.2706705664732254
    >>> float(compile_expression(exp_dd((a, b), s), [a, b, s], log=True)(1e4, 2e4, 1.0))
    -10009.210340371976
    """
    if target not in TARGETS:
        raise SymguideError(f"compilation target {target!r} is unknown; choose one of {', '.join(TARGETS)}")
    if log and target != "numpy":
        raise SymguideError(
            f"target {target!r} has no log domain, its exponents are unbounded; take the logarithm itself"
        )
    single = isinstance(expressions, Expr)
    wanted: list[Any] = [expressions] if single else list(expressions)
    # Abbreviations print as they read, not as Python names.
    names = {key: Symbol(f"x{j}", positive=True) for j, key in enumerate(definitions or {})}
    wanted = [expression.xreplace(names) for expression in wanted]
    defined = [(names[key], value.xreplace(names)) for key, value in (definitions or {}).items()]
    free = set().union(*(e.free_symbols for e in wanted), *(value.free_symbols for _, value in defined))
    missing = free - set(arguments) - set(names.values())
    if missing:
        raise SymguideError(
            f"symbols {sorted(map(str, missing))} are neither arguments nor defined, so the function has no value; "
            "add them to the arguments"
        )
    printer, modules = TARGETS[target]
    settings = {"fully_qualified_modules": False, "inline": True, "allow_unknown_functions": True, "user_functions": {}}
    result = [_Log(expression) for expression in wanted] if log else wanted
    return lambdify(
        list(arguments),
        result[0] if single else result,
        modules=modules,
        printer=printer(settings),
        cse=lambda parts: (defined, parts),
    )


def compile_solution(
    solution: Solution,
    expressions: Expr | Sequence[Expr],
    schedule: NoiseSchedule | None = None,
    target: str = "numpy",
    log: bool = False,
) -> Callable[..., Any]:
    """Compile closed forms of a solution to a function of ``(w, u)``, or of ``(w, t)`` under a noise schedule.

    Parameters
    ----------
    solution
        Whose ``definitions`` resolve the abbreviations; its data must be numbers.
    expressions
        For example ``solution.tv``, ``solution[context]`` or ``solution.probabilities``.
    schedule
        With one, the second parameter is time ``t ∈ [0, T]``.
    target, log
        As for :func:`compile_expression`.

    Returns
    -------
    callable
        ``f(w, u)`` with ``w ≥ −1`` (``w > −1`` where ``w = −1`` is a chain of its own) and ``u ∈ [0, 1]``, 0 being the
        terminal law; arrays broadcast. Relative error of NumPy values: about ``1e−15 (1 + Λ s)``.

    Raises
    ------
    StrengthError, ClockError
        From the function, for ``w`` and ``u`` outside these ranges.

    >>> from symguide.chain import guided_chain
    >>> from symguide.datasets import load
    >>> from symguide.solution import solve
    >>> from symguide.tilt import guidance
    >>> solution = solve(guided_chain(guidance(load("squares-overlap"))))
    >>> compile_solution(solution, solution.tv)(np.array([0.0, 1.0, 16.0]), 0.5)
    array([0.75      , 0.64356243, 0.50000191])
    """
    single = isinstance(expressions, Expr)
    wanted = [expressions] if isinstance(expressions, Expr) else list(expressions)
    function = compile_expression(wanted, [w, s], solution.definitions, target, log)
    includes = solution.named.chain.includes_unconditional
    if target != "numpy":
        point = u if schedule is None else t
        clock = compile_expression(-ln(u) if schedule is None else schedule.clock, [point], target=target)

        def precise(strength: Any, at: Any) -> Any:
            if target == "balls":
                strength, at = _ball(strength), _ball(at)
            require_strength(strength, includes)
            if schedule is None and not 0 <= at <= 1:
                raise ClockError(f"mask fraction u is {at}: outside [0, 1] the law is not defined; correct it")
            if target == "balls" and at == 0:
                raise ClockError("mask fraction u is 0: balls need u > 0; take the terminal law for u = 0")
            values = function(strength, clock(at))
            return values[0] if single else values

        return precise
    rates = compile_expression(list(solution.definitions.values()), [w, s], solution.definitions)

    def checked(strength: Any, at: Any) -> Any:
        strength, at = np.asarray(strength, dtype=np.float64), np.asarray(at, dtype=np.float64)
        require_strength(strength, includes)
        shape = np.broadcast_shapes(strength.shape, at.shape)
        s_at = _clock(at) if schedule is None else schedule.clock_at(at)
        with np.errstate(divide="ignore", over="ignore", invalid="ignore"):
            inside = all(np.isfinite(rate).all() for rate in rates(strength, s_at))
            found = [np.asarray(value, dtype=np.float64) for value in function(strength, s_at)]
        if not inside or any(np.isnan(value).any() or (value == np.inf).any() for value in found):
            raise StrengthError(
                f"guidance strength w goes up to {strength.max():g}: rates leave the range of double precision; "
                "use smaller w, or the mpmath target"
            )
        values = [np.broadcast_to(value, shape)[()] for value in found]
        return values[0] if single else values

    return checked


def _ball(value: Any) -> flint.arb:
    return value if isinstance(value, flint.arb) else BALLS.number(read_number(value, "argument of a ball function"))


def _clock(fraction: np.ndarray) -> np.ndarray:
    good = (fraction >= 0) & (fraction <= 1)
    if not good.all():
        value = fraction[~good].flat[0]
        raise ClockError(f"mask fraction u is {value}: outside [0, 1] the law is not defined; correct it")
    with np.errstate(divide="ignore"):
        return 0.0 - np.log(fraction)


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

    >>> with flint.ctx.workdps(20):
    ...     enclose(exp_dd((Symbol("a"), Symbol("b")), s), {key: Fraction(1) for key in (Symbol("a"), Symbol("b"), s)})
    [0.36787944117144232160 +/- 4.48e-21]
    """
    symbols = list(values)
    limit = sys.get_int_max_str_digits()
    sys.set_int_max_str_digits(0)  # lambdify writes the expression into a docstring, whatever its length
    try:
        function = compile_expression(expression, symbols, definitions, "balls")
    finally:
        sys.set_int_max_str_digits(limit)
    bits = 64 + 4 * digits
    while True:
        with flint.ctx.workprec(bits):
            ball = then(function(*(BALLS.number(values[symbol]) for symbol in symbols)))
            if (
                ball == 0
                or (ball.is_finite() and ball.rad() < abs(ball) * flint.arb(10) ** -digits)
                or 2 * bits > MAX_BITS
            ):
                return ball
        bits *= 2
