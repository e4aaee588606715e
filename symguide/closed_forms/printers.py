"""How closed forms are spelled as code: for NumPy, for mpmath, and for balls, with what the code calls."""

# SymPy types the parts of its trees as Basic; here they are expressions.
# pyright: reportArgumentType=false, reportReturnType=false, reportAttributeAccessIssue=false

from collections.abc import Callable, Mapping
from fractions import Fraction
from typing import Any

import flint
from sympy import Function, Mul, Pow, Rational, exp
from sympy import log as ln
from sympy.printing.numpy import NumPyPrinter
from sympy.printing.pycode import MpmathPrinter, PythonCodePrinter

from symguide.errors import NotExactError, SymguideError
from symguide.numbers.arithmetic import power_float, power_parts
from symguide.numbers.divided_differences import exp_dd_ball, exp_dd_float, exp_dd_mp
from symguide.numbers.exp_dd import exp_dd

__all__ = ["TARGETS"]


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


def _guarded_product(printer: Any, expr: Mul) -> str | None:
    """``p ln p`` is 0 at ``p = 0``, and ``s e^{−Λs}`` at ``s = ∞``."""
    logs = [factor for factor in expr.args if isinstance(factor, ln)]
    decays = [factor for factor in expr.args if isinstance(factor, exp | exp_dd)]
    if not logs and not (decays and any(factor.as_base_exp()[0].is_Symbol for factor in expr.args)):
        return None
    front = decays or [factor for factor in expr.args if factor not in logs]
    back = [factor for factor in expr.args if factor not in front]
    return f"zero_first({printer._print(Mul(*front))}, {printer._print(Mul(*back))})" if front and back else None


class _Mpmath(MpmathPrinter):
    def _print_Mul(self, expr: Mul) -> str:
        return _guarded_product(self, expr) or super()._print_Mul(expr)

    def _print_exp_dd(self, expr: exp_dd) -> str:
        return f"exp_dd(({', '.join(map(self._print, expr.nodes))},), {self._print(expr.clock)})"


class _Ball(PythonCodePrinter):
    def _print_Mul(self, expr: Mul) -> str:
        return _guarded_product(self, expr) or super()._print_Mul(expr)

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


def _zero_first(factor: Any, other: Any) -> Any:
    return factor if factor == 0 else factor * other


def _ball_log(x: flint.arb) -> flint.arb:
    return flint.arb("-inf") if x == 0 else x.log()


_BALL_FUNCTIONS: Mapping[str, Callable[..., Any]] = {
    "exp": lambda x: x.exp(),
    "log": _ball_log,
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
                "power_float": power_float,
                "power_parts": power_parts,
                "Fraction": Fraction,
            },
            "numpy",
        ],
    ),
    "mpmath": (_Mpmath, [{"exp_dd": exp_dd_mp, "zero_first": _zero_first}, "mpmath"]),
    "balls": (
        _Ball,
        [
            {
                **_BALL_FUNCTIONS,
                "exp_dd": exp_dd_ball,
                "zero_first": _zero_first,
                "fraction": lambda p, q: flint.arb(flint.fmpq(p, q)),
                "pi": flint.arb.pi,
            }
        ],
    ),
}
"""What closed forms compile to, with SymPy's printer and the namespace of the printed code.

Code for ``numpy`` is for showing and for export; functions of arrays are made by :mod:`symguide.closed_forms.program`.
"""
