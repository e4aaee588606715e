r"""LaTeX in the notation of the paper: formulas that fit their line, fragments, documents, and their PDFs.

Formulas are broken at sums, products, brackets and commas *before* they are typeset, from an estimate of their width,
so that nothing runs off a page and nothing is cut. A :class:`Fragment` is mathematics for a document or a notebook; a
document is an article that ``pdflatex`` compiles with ``texlive-latex-recommended``.
"""

# SymPy types the parts of its trees as Basic; here they are expressions.
# pyright: reportArgumentType=false, reportReturnType=false, reportAttributeAccessIssue=false

import os
import re
import shutil
import subprocess
import tempfile
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeAlias

from sympy import (
    Add,
    Basic,
    Expr,
    Function,
    Integer,
    Limit,
    Mul,
    Ne,
    Pow,
    Rational,
    Sum,
    Symbol,
    cancel,
    exp,
    fraction,
    log,
)
from sympy.core.function import AppliedUndef
from sympy.core.relational import Relational
from sympy.printing.latex import LatexPrinter
from sympy.printing.precedence import PRECEDENCE

from symguide.errors import SymguideError
from symguide.exp_dd import confluent_equal, exp_dd
from symguide.expansion import expand
from symguide.law import Context
from symguide.mixture import Problem
from symguide.naming import plain
from symguide.ode import KolmogorovSystem, kolmogorov
from symguide.schedule import NoiseSchedule
from symguide.solution import Solution, powers_of_u
from symguide.symbols import MASK, s, symbol, t, tau, u

__all__ = [
    "NOTATION",
    "SHOWN",
    "WIDTH",
    "Fragment",
    "closed_form",
    "compile_pdf",
    "definitions",
    "document",
    "equations",
    "escape",
    "notation_table",
    "ode",
    "schedule_equations",
    "shared_form",
    "solution_document",
    "state",
    "terminal_form",
    "tex",
    "tv_form",
    "width",
]

WIDTH = 40.0
"""Room for a line of mathematics, in em: a little less than the text width of :func:`document`."""
SHOWN = 24
"""How many contexts a block prints unless told otherwise; it says how many it leaves out."""

NOTATION: tuple[tuple[str, str], ...] = (
    (r"D,\ N", "number of positions; number of tokens without the mask"),
    (r"\mathrm{M}", "the mask"),
    (r"x_S", "tokens revealed at the positions $S$; a context shows some tokens and masks elsewhere"),
    (r"z,\ w", "target class; guidance strength: $-1$ unconditional, $0$ conditional"),
    (r"s = -\ln u", "clock: $0$ at the start, where all is masked"),
    (r"u = \frac{1 - \alpha(t)}{1 - \alpha(T)}", "mask fraction; $\\alpha(t)$ is the probability of a clean token"),
    (r"P_x", "probability of the context $x$ along the guided reverse chain"),
    (r"q_i(v \mid x_S)", r"raw reveal intensity, $p_i(v \mid x_S, z)^{1+w}\, p_i(v \mid x_S)^{-w}$"),
    (r"r_i(v \mid x_S)", r"reveal rate: $q_i(v \mid x_S)$, or $q_i(v \mid x_S) / Z_i(x_S)$ for the normalised rule"),
    (
        r"Z_i(x_S)",
        r"$\sum_v q_i(v \mid x_S)$; $Z_{z,w}$ for one token, $c_{x_1} = Z_2(x_1)$ and $d_{x_2} = Z_1(x_2)$ for two",
    ),
    (r"\Lambda_x", r"exit rate of $x$: the sum of its reveal rates (where $c$, $d$ or $Z$ do not name it)"),
    (r"p_{z,w}", r"tilted law, $p_{z,w}(x) \propto p(x \mid z)^{1+w}\, p(x)^{-w}$"),
    (
        r"\mathcal{E}_{s}\left[\Lambda_0, \ldots, \Lambda_n\right]",
        r"$s^{n} \exp[-\Lambda_0 s, \ldots, -\Lambda_n s]$, a divided difference of $\exp$; for distinct rates "
        r"$\sum_j u^{\Lambda_j} \prod_{i \neq j} (\Lambda_i - \Lambda_j)^{-1}$",
    ),
    (r"\mathrm{TV}(u)", r"total variation between the law at $u$ and the terminal law, $u \to 0$"),
)
"""The symbols of every document, as pairs (mathematics, meaning)."""

# --- text -------------------------------------------------------------------------------------------------------------

_TEXT = {
    **{character: "\\" + character for character in "{}$&#%_"},
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    '"': "''",
    "−": "$-$", "–": "--", "—": "---", "‘": "`", "’": "'", "“": "``", "”": "''", "…": r"\ldots{}", "\u00a0": "~",
    "×": r"$\times$", "·": r"$\cdot$", "±": r"$\pm$", "≤": r"$\leq$", "≥": r"$\geq$", "≠": r"$\neq$", "∞": r"$\infty$",
    "→": r"$\to$", "∈": r"$\in$", "∝": r"$\propto$", "‖": r"$\|$", "½": r"$\frac{1}{2}$", "²": "$^2$", "³": "$^3$",
    "∑": r"$\sum$", "∏": r"$\prod$", "∫": r"$\int$", "√": r"$\sqrt{}$", "∂": r"$\partial$",
    "ß": r"\ss{}", "æ": r"\ae{}", "Æ": r"\AE{}", "ø": r"\o{}", "Ø": r"\O{}", "œ": r"\oe{}", "Œ": r"\OE{}",
    "ł": r"\l{}", "Ł": r"\L{}", "ı": r"\i{}", "å": r"\aa{}", "Å": r"\AA{}",
}  # fmt: skip
_ACCENTS = dict(
    zip("\u0300\u0301\u0302\u0303\u0308\u0304\u0307\u0306\u030c\u030b\u0327\u0323", "`'^~\"=.uvHcd", strict=True)
)
_SMALL = (
    *("alpha", "beta", "gamma", "delta", "epsilon", "zeta", "eta", "theta", "iota", "kappa", "lambda", "mu"),
    *("nu", "xi", "pi", "rho", "sigma", "tau", "upsilon", "phi", "chi", "psi", "omega"),
)
_CAPITAL = ("Gamma", "Delta", "Theta", "Lambda", "Xi", "Pi", "Sigma", "Upsilon", "Phi", "Psi", "Omega")
_GREEK = frozenset(_SMALL + _CAPITAL)
for _letter in _GREEK:
    _size = "SMALL" if _letter.islower() else "CAPITAL"
    _spelling = _letter.upper().replace("LAMBDA", "LAMDA")
    _TEXT[unicodedata.lookup(f"GREEK {_size} LETTER {_spelling}")] = rf"$\{_letter}$"


def escape(text: str) -> str:
    r"""Plain text as LaTeX text, for labels, class names, sources and messages.

    Letters with accents become accent commands and common signs mathematics; any other character that plain
    ``pdflatex`` cannot set prints as its code point, so nothing is dropped.

    >>> print(escape("50 % of {a, b} — naïve ≤ 日"))
    50 \% of \{a, b\} --- na\"{\i}ve $\leq$ U+65E5
    """
    return "".join(map(_escaped, unicodedata.normalize("NFC", text)))


def _escaped(character: str) -> str:
    if character in _TEXT:
        return _TEXT[character]
    if " " <= character <= "~":
        return character
    if character.isspace():
        return " "
    letter, *marks = unicodedata.normalize("NFD", character)
    if len(marks) == 1 and marks[0] in _ACCENTS and letter.isascii():
        dotless = {"i": r"\i", "j": r"\j"}.get(letter, letter) if marks[0] not in "\u0327\u0323" else letter
        return rf"\{_ACCENTS[marks[0]]}{{{dotless}}}"
    return f"U+{ord(character):04X}"


# --- formulas ---------------------------------------------------------------------------------------------------------

_NAME = re.compile(r"(?P<stem>[A-Za-z]+)(?:_(?P<index>[A-Za-z0-9]+))?(?P<join>_?)(?:\((?P<inside>.*)\))?", re.DOTALL)

_PLAIN = re.compile(r"\d+|[A-Za-z](_\d+)?")


def _name(name: str) -> str:
    r"""The abbreviations of :mod:`symguide.naming` and every other name: ``Lambda_(M,2)``, ``r(M->0)``, ``p(0|en)``."""
    parts = _NAME.fullmatch(name)
    if parts is None and "{" in name:
        return name  # LaTeX already, as SymPy has it
    if parts is None or (parts["join"] and (parts["index"] or parts["inside"] is None)):
        return rf"\text{{{escape(name)}}}"
    stem, index, inside = parts["stem"], parts["index"], parts["inside"]
    if name == "Z":
        return "Z_{z,w}"
    if name == MASK:
        return rf"\mathrm{{{MASK}}}"
    out = rf"\{stem}" if stem in _GREEK else stem if len(stem) == 1 else rf"\mathrm{{{stem}}}"
    if index:
        out += f"_{{{index}}}" if index.isdigit() or len(index) == 1 else rf"_{{\mathrm{{{index}}}}}"
    if inside is None:
        return out
    tokens, bar, given = inside.partition("|")
    shown = r" \to ".join(",".join(map(_token, side.split(","))) for side in tokens.split("->"))
    if bar:
        plainly = all(_PLAIN.fullmatch(token) for token in given.split(","))
        shown += r" \mid " + (",".join(map(_token, given.split(","))) if plainly else rf"\text{{{escape(given)}}}")
    return f"{out}_{{({shown})}}" if parts["join"] else f"{out}({shown})"


def _token(token: str) -> str:
    return token if token.isdigit() else _name(token)


_HOLE = Symbol("X")


class _Printer(LatexPrinter):
    """SymPy's printer with the paper's names and order: rates before functions of the clock, positive terms first."""

    def __init__(self) -> None:
        super().__init__({"ln_notation": True})

    def _print_Symbol(self, expr: Any, style: str = "plain") -> str:
        return _name(expr.name)

    def _print_AppliedUndef(self, expr: Any, exp: str | None = None) -> str:
        token, *given = map(self._print, expr.args)
        name = expr.func.__name__
        bar = r" \mid " if name.endswith("|") else ", "
        called = f"{_name(name.removesuffix('|'))}({token}{bar if given else ''}{', '.join(given)})"
        return called if exp is None else f"{called}^{{{exp}}}"

    def _print_Sum(self, expr: Any) -> str:
        if len(expr.limits) == 1:
            return super()._print_Sum(expr)
        signs = [super(_Printer, self)._print_Sum(Sum(_HOLE, bounds)) for bounds in reversed(expr.limits)]
        function = self.factor(expr.function) if isinstance(expr.function, Add) else self._print(expr.function)
        return " ".join([*(sign.removesuffix("X").rstrip() for sign in signs), function])

    def _print_Mul(self, expr: Any) -> str:
        late = [part for part in expr.args if _is_late(part)]
        first = [part for part in expr.args if part not in late]
        if not late or not first:
            return super()._print_Mul(expr)
        head = "-" if first == [-1] else self._print(Mul(*first, evaluate=False) if first[1:] else first[0])
        if isinstance(first[0], Add) and not first[1:]:
            head = self.factor(first[0])
        return r"\, ".join([head, *map(self.factor, late)])

    def _as_ordered_terms(self, expr: Any, order: Any = None) -> list[Any]:
        return sorted(super()._as_ordered_terms(expr, order), key=lambda term: term.could_extract_minus_sign())

    def factor(self, expr: Any) -> str:
        """A factor of a product, bracketed where it must be."""
        return self.parenthesize(expr, PRECEDENCE["Mul"])


def tex(expression: Basic) -> str:
    r"""A SymPy expression as LaTeX mathematics, in one line.

    >>> from symguide.symbols import symbol
    >>> print(tex(exp_dd((symbol("Lambda_(M,2)"), symbol("c_2")), s)))
    \mathcal{E}_{s}\left[\Lambda_{(\mathrm{M},2)},\,c_{2}\right]
    """
    return _Printer().doprint(_tidy(expression))


def _is_late(part: Any) -> bool:
    """Functions of the clock, and sums of fractions, stand after what multiplies them."""
    if isinstance(part, Add):
        return any(fraction(term, exact=True)[1] != 1 for term in part.args)
    return isinstance(part, exp_dd) or (isinstance(part, AppliedUndef) and part.free_symbols <= {s, t, tau, u})


def _tidy(expression: Any) -> Any:
    """Signs taken out of factors that are sums of negative terms only; what needs no change stays as it was written."""
    parts = tuple(map(_tidy, expression.args))
    if parts != expression.args:
        # A number times a sum was left undistributed on purpose.
        kept = isinstance(expression, Mul) and len(parts) == 2 and parts[0].is_Number and isinstance(parts[1], Add)
        expression = Mul(*parts, evaluate=False) if kept else expression.func(*parts)
    return _signs_first(expression) if isinstance(expression, Mul) else expression


def _signs_first(product: Any) -> Any:
    # A product without such factors stays as it is, unevaluated ones too.
    sign, parts = 1, []
    for part in product.args:
        base, power = part.as_base_exp()
        if isinstance(base, Add) and power.is_Integer and all(term.could_extract_minus_sign() for term in base.args):
            sign = -sign if int(power) % 2 else sign
            part = Add(*(-term for term in base.args)) ** power
        parts.append(part)
    return product if tuple(parts) == product.args else Mul(sign, *parts)


def state(context: Context, argument: str = "") -> str:
    r"""``P_x`` of a context, with an argument if one is given.

    >>> print(state((None, 2), "u"))
    P_{(\mathrm{M},2)}(u)
    """
    return f"P_{{{_tuple(context)}}}" + (f"({argument})" if argument else "")


def _tuple(context: Context) -> str:
    return f"({','.join(map(_token, plain(context).split(',')))})"


_TOKENS = re.compile(r"\\[A-Za-z]+|\\.|[{}]|\s+|.", re.DOTALL)
_EM = {
    **dict.fromkeys("ijl.;:'|!", 0.4),
    **dict.fromkeys("mwMW", 0.95),
    **dict.fromkeys("()[]/,", 0.45),
    **dict.fromkeys(("+", "-", "=", "<", ">", r"\leq", r"\geq", r"\neq", r"\mid", r"\propto", r"\times"), 1.3),
    **dict.fromkeys(("&", r"\mathcal", r"\displaystyle"), 0.0),
    **dict.fromkeys((r"\bigl", r"\bigr", r"\biggl", r"\biggr", r"\mathrm", r"\text", r"\operatorname"), 0.1),
    **dict.fromkeys((r"\left", r"\right"), 0.3),
    **{r"\,": 0.17, r"\:": 0.25, r"\;": 0.3, r"\ ": 0.35, r"\quad": 1.0, r"\qquad": 2.0, r"\{": 0.55, r"\}": 0.55},
    **{r"\to": 1.6, r"\cdot": 0.75, r"\sum": 1.6, r"\prod": 1.5, r"\ldots": 1.2, r"\infty": 1.0, r"\Lambda": 0.75},
    **{r"\ln": 1.1, r"\exp": 1.8, r"\log": 1.5, r"\sin": 1.5, r"\cos": 1.6},
}
_SCRIPT = 0.75


def width(mathematics: str) -> float:
    r"""About how wide some LaTeX mathematics is, in em; an upper estimate for what :func:`tex` writes.

    >>> width(r"\frac{a + b}{2}") < width(r"a + b + 2")
    True
    """
    return _span([token for token in _TOKENS.findall(mathematics) if not token.isspace()][::-1])


def _span(rest: list[str], one: bool = False) -> float:
    """The width up to the closing brace, or of one token or group; consumes what it measures, from the end."""
    total = 0.0
    while rest:
        token = rest.pop()
        if token == "}":
            break
        if token == "{":
            total += _span(rest)
        elif token in "^_":
            first = _span(rest, one=True)
            both = rest and rest[-1] in "^_"
            total += _SCRIPT * (max(first, (rest.pop(), _span(rest, one=True))[1]) if both else first) + 0.05
        elif token in (r"\frac", r"\binom"):
            total += max(_span(rest, one=True), _span(rest, one=True)) + 0.3
        elif token == r"\sqrt":
            total += _span(rest, one=True) + 1.0
        else:
            other = 0.55 if len(token) == 1 and not token.isupper() else 0.8 if len(token) == 1 else 0.7
            total += _EM.get(token, other)
        if one:
            break
    return total


# --- breaking lines ---------------------------------------------------------------------------------------------------

_INDENT = r"\quad "


def _layout(expression: Any, room: float, factor: bool = False) -> list[str]:
    """The expression over as many lines as it needs; ``factor`` asks for brackets where a product needs them."""
    printer = _Printer()
    expression = _tidy(expression)
    line = printer.factor(expression) if factor else printer.doprint(expression)
    if width(line) <= room:
        return [line]
    inner = room - 2.0
    match expression:
        case Add():
            return _group(_signed(printer, expression, inner), room) if factor else _signed(printer, expression, room)
        case Mul() | Pow() if (split := _factors(expression)) is not None:
            lead, parts = split
            items = [[printer.doprint(lead)]] if lead != 1 else []
            items += [_power(base, power, inner) for base, power in parts]
            return _pack(items, room, r"\cdot ")
        case Pow() if width(tex(expression.exp)) <= room / 4:
            lines = _group(_layout(expression.base, inner), room)
            return [*lines[:-1], f"{lines[-1]}^{{{tex(expression.exp)}}}"]
        case exp() | Pow():
            base, power = expression.as_base_exp()
            grown = power if isinstance(expression, exp) else Mul(power, log(base), evaluate=False)
            return _group(_layout(grown, inner), room, r"\exp")
        case exp_dd():
            nodes = [_layout(node, inner) for node in expression.nodes]
            nodes = [[*lines[:-1], lines[-1] + ","] for lines in nodes[:-1]] + nodes[-1:]
            return _group(_pack(nodes, inner), room, rf"\mathcal{{E}}_{{{printer.doprint(expression.clock)}}}", "[]")
        case Sum():
            head = printer.doprint(Sum(_HOLE, *expression.limits)).removesuffix("X").rstrip()
            return _group(_layout(expression.function, inner), room, head)
        case Limit():
            head = printer.doprint(Limit(_HOLE, *expression.args[1:])).removesuffix("X").rstrip()
            return _group(_layout(expression.args[0], inner), room, head)
        case Integer():
            digits = str(expression)
            return _pack([[digits[i : i + 20]] for i in range(0, len(digits), 20)], room, tight=True)
        case Rational():
            top, bottom = (_layout(Integer(part), inner) for part in (expression.p, expression.q))
            return _pack([top, _group(bottom, room, "/")], room)
        case Function() if len(expression.args) == 1:
            head = printer.doprint(expression.func(_HOLE)).partition(r"{\left(X")[0]
            return _group(_layout(expression.args[0], inner), room, head)
    return [line]


def _signed(printer: _Printer, expression: Any, room: float) -> list[str]:
    items = []
    for index, term in enumerate(printer._as_ordered_terms(expression)):
        minus = term.could_extract_minus_sign()
        lines = _layout(-term if minus else term, room - 1.5)
        sign = "- " if minus else "+ " if index else ""
        items.append([sign + lines[0], *lines[1:]])
    return _pack(items, room)


def _factors(expression: Any) -> tuple[Any, list[tuple[Any, Any]]] | None:
    """A fraction that leads and the (base, power) pairs it multiplies; ``None`` for a power that is no fraction."""
    number, rest = expression.as_coeff_Mul(rational=True)
    long = width(tex(number)) > WIDTH / 3
    top, bottom = fraction(rest if long else expression, exact=True)
    above = [part for part in Mul.make_args(top) if part != 1]
    below = [part for part in Mul.make_args(bottom) if part != 1]
    if isinstance(expression, Pow) and len(above) == 1 and not below and not expression.exp.is_Rational:
        return None
    lead = Mul(*(part for part in above if part.is_Number))
    parts = [number] * long + [part for part in above if not part.is_Number]
    for part in below:
        narrow = width(tex(lead / part)) <= WIDTH / 3
        lead = lead / part if narrow else lead
        parts += [] if narrow else [Pow(part, -1)]
    pairs = [(part, Integer(1)) if isinstance(part, exp | Rational) else part.as_base_exp() for part in parts]
    pairs = [(base, power) if power.is_Rational else (base**power, Integer(1)) for base, power in pairs]
    return None if lead == 1 and pairs == [(expression, 1)] else (lead, pairs)


def _power(base: Any, power: Any, room: float) -> list[str]:
    if power == 1:
        return _layout(base, room, factor=True)
    lines = [tex(base**power)]
    if width(lines[0]) <= room:
        return lines
    lines = _group(_layout(base, room - 2.0), room)
    return [*lines[:-1], f"{lines[-1]}^{{{tex(power)}}}"]


def _group(lines: list[str], room: float, head: str = "", brackets: str = "()") -> list[str]:
    """Lines inside brackets that may stand on different lines."""
    size = "bigg" if any(r"\frac" in line or r"\sum" in line for line in lines) else "big"
    first, *more = [rf"{head}\{size}l{brackets[0]} {lines[0]}", *(_INDENT + line for line in lines[1:])]
    closing = rf" \{size}r{brackets[1]}"
    return [first, *more[:-1], more[-1] + closing] if more else [first + closing]


def _pack(items: Iterable[Sequence[str]], room: float, between: str = "", tight: bool = False) -> list[str]:
    """Items set one after another, a new line begun where the next does not fit; products show their sign there."""
    lines: list[str] = []
    for item in items:
        sign = between if lines and item[0][:1].isdigit() else "" if tight else " "
        joined = f"{lines[-1]}{sign}{item[0]}" if lines else item[0]
        if lines and width(joined) > room:
            lines.append(between + item[0])
        else:
            lines[-1:] = [joined]
        lines.extend(item[1:])
    return lines


# --- fragments --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Fragment:
    r"""Rows of mathematics, aligned at ``&``, each narrow enough for its line.

    Notebooks show it; ``str`` gives the ``aligned`` environment for a formula, :attr:`display` the ``align*``
    environment for a document, whose rows may go over to the next page.

    >>> from sympy import Eq
    >>> from symguide.symbols import w
    >>> print(equations([Eq(w, 2 * u)]))
    \begin{aligned}
    w &= 2 u
    \end{aligned}
    """

    rows: tuple[str, ...]

    def __str__(self) -> str:
        return "\\begin{aligned}\n" + " \\\\\n".join(self.rows) + "\n\\end{aligned}"

    def __add__(self, other: "Fragment") -> "Fragment":
        return Fragment(self.rows + other.rows)

    @property
    def display(self) -> str:
        """The rows as a displayed formula of a document; nothing where there are none."""
        if not self.rows:
            return ""
        return "\\begin{align*}\n" + " \\\\\n".join(self.rows) + "\n\\end{align*}"

    def _repr_latex_(self) -> str:
        return f"$\\displaystyle {self}$"


_Row: TypeAlias = tuple[str | Basic, Any] | tuple[str | Basic, Any, str]
"""A left-hand side, a right-hand side, and the relation between them, ``=`` unless said."""


def _aligned(pairs: Iterable[_Row], more: Iterable[str] = ()) -> Fragment:
    """Relations aligned at their signs, each right-hand side over as many rows as it needs; then rows as they are.

    Left-hand sides that would leave the right ones too little room stand in their column, on rows of their own.
    """
    rows = [
        (left, tex(left) if isinstance(left, Basic) else left, right, *(sign or ["="])) for left, right, *sign in pairs
    ]
    column = max((width(left) for _, left, *_ in rows), default=0.0)
    if any(column + width(tex(right)) > WIDTH - 2.0 for *_, right, _ in rows):
        column = max((width(left) for _, left, *_ in rows if width(left) <= WIDTH / 2), default=0.0)
    room = WIDTH - column - 2.0
    out: list[str] = []
    for form, left, right, sign in rows:
        if width(left) <= column:
            first, *others = _layout(right, room)
            out.append(f"{left} &{sign} {first}")
        else:
            above, *below = _layout(form, room) if isinstance(form, Basic) else [left]
            first, *others = _layout(right, room)
            out += [f"&{above}", *(rf"&\quad {line}" for line in below), rf"&{sign} {first}"]
        out += [rf"&\qquad {line}" for line in others]
    return Fragment((*out, *more))


def _left_out(shown: int, total: int, what: str) -> list[str]:
    """The row that says so where contexts are left out."""
    return [] if shown >= total else [rf"\vdots & \quad \text{{({total - shown} of {total} {what} left out)}}"]


def equations(items: Iterable[Basic]) -> Fragment:
    r"""SymPy equations and other relations, one under another; an expression stands alone.

    >>> from sympy import Eq
    >>> print(equations([Eq(s, -log(u), evaluate=False)]).rows[0])
    s &= - \ln{\left(u \right)}
    """
    signs = {"==": "=", "!=": r"\neq", "<": "<", ">": ">", "<=": r"\leq", ">=": r"\geq"}
    rows = [(x.lhs, x.rhs, signs[x.rel_op]) if isinstance(x, Relational) else ("", x, "") for x in items]
    return _aligned(rows)


def definitions(meanings: Mapping[Expr, Expr], used: Iterable[Basic] | None = None) -> Fragment:
    r"""What abbreviations stand for; with ``used``, only those that occur in these expressions.

    >>> from symguide.family import representative
    >>> print(definitions(representative(1).definitions).rows[0])
    Z_{z,w} &= \sum_{v=0}^{N - 1} \left(\frac{p_{1}(v \mid z)}{p_{1}(v)}\right)^{w} p_{1}(v \mid z)
    """
    if used is not None:
        kinds = tuple({type(key) for key in meanings})
        wanted = set[Basic]()
        found = set[Basic]().union(*(expression.atoms(*kinds) for expression in used)) & meanings.keys()
        while found:
            wanted |= found
            found = set[Basic]().union(*(meanings[key].atoms(*kinds) for key in found)) & meanings.keys() - wanted
        meanings = {key: value for key, value in meanings.items() if key in wanted}
    return _aligned((tex(key), value) for key, value in meanings.items())


def closed_form(solution: Solution, form: str = "divided differences", limit: int = SHOWN) -> Fragment:
    r"""The closed form of every context, start first.

    Parameters
    ----------
    solution
        The solved chain.
    form
        ``"divided differences"``, valid whichever exit rates coincide, in ``s``; or ``"powers of u"``, followed by the
        conditions under which it holds. Conditions that numbers decide are not printed; a context whose powers of ``u``
        do not exist, because rates with different names are equal at this strength, keeps its divided differences.
    limit
        How many contexts are printed; the last row says how many are not.

    Raises
    ------
    SymguideError
        For an unknown form.

    >>> from symguide.family import representative
    >>> from symguide.solution import solve
    >>> print(closed_form(solve(representative(1)), "powers of u").rows[0])
    P_{(\mathrm{M})}(u) &= u^{Z_{z,w}}
    """
    if form not in ("divided differences", "powers of u"):
        raise SymguideError(
            f"form {form!r} is unknown, so nothing is written; use 'divided differences' or 'powers of u'"
        )
    rows: list[_Row] = []
    conditions: set[Relational] = set()
    for context, probability in list(zip(solution.states, solution.probabilities, strict=True))[:limit]:
        shown, argument = probability, "s"
        if form == "powers of u":
            found = _as_powers(probability, solution)
            if found is not None:
                shown, argument = found[0], "u"
                conditions |= found[1]
        rows.append((state(context, argument), shown))
    left_out = _left_out(limit, len(solution.states), "contexts")
    return _aligned(rows, [*left_out, *_conditions(conditions)])


def tv_form(solution: Solution, form: str = "divided differences") -> Fragment:
    r"""``TV`` to the terminal law in closed form; ``form`` as in :func:`closed_form`.

    >>> from symguide.family import representative
    >>> from symguide.solution import solve
    >>> print(tv_form(solve(representative(1)), "powers of u").rows[0])
    \mathrm{TV}(u) &= u^{Z_{z,w}}
    """
    found = _as_powers(solution.tv, solution) if form == "powers of u" else None
    if found is None:
        return _aligned([(r"\mathrm{TV}(s)", solution.tv)])
    return _aligned([(r"\mathrm{TV}(u)", found[0])], _conditions(found[1]))


def shared_form(solution: Solution, room: float = 4.0) -> Solution:
    r"""The same closed form with reveal rates wider than ``room`` em abbreviated, one name per distinct rate.

    ``r_i(v|x)`` is the rate at which ``v`` is revealed at position ``i`` of ``x``; ``definitions`` says what it is.

    >>> from symguide.family import representative
    >>> from symguide.solution import solve
    >>> shared_form(solve(representative(1)))[tuple(solve(representative(1)).states[1])]
    r_1(x_1)*exp_dd((0, Z), s)
    """
    chain = solution.named.chain
    names: dict[Expr, Expr] = {}
    for reveals in chain.incoming:
        for reveal in reveals:
            if reveal.rate not in names and width(tex(reveal.rate)) > room:
                source = chain.states[reveal.source]
                given = "" if all(token is None for token in source) else f"|{plain(source)}"
                names[reveal.rate] = symbol(f"r_{reveal.position + 1}({reveal.token}{given})", positive=True)
    if not names:
        return solution
    meanings = {**solution.definitions, **{name: rate for rate, name in names.items()}}
    incoming = tuple(
        tuple(replace(reveal, rate=names.get(reveal.rate, reveal.rate)) for reveal in reveals)
        for reveals in chain.incoming
    )
    named = replace(solution.named, chain=replace(chain, incoming=incoming), definitions=meanings)
    return Solution(named, expand(named.chain))


def terminal_form(solution: Solution, limit: int = SHOWN) -> Fragment:
    r"""The terminal law, ``u → 0``; ``limit`` as in :func:`closed_form`.

    >>> from symguide.family import representative
    >>> from symguide.solution import solve
    >>> print(terminal_form(solve(representative(1))).rows[0])
    P_{(x_{1})}(0) &= \frac{\left(\frac{p_{1}(x_{1} \mid z)}{p_{1}(x_{1})}\right)^{w} p_{1}(x_{1} \mid z)}{Z_{z,w}}
    """
    law = solution.terminal
    pairs = list(zip(law.states, law.probabilities, strict=True))
    rows = [(state(context, "0"), value) for context, value in pairs[:limit]]
    return _aligned(rows, _left_out(limit, len(pairs), "terminal contexts"))


def ode(system: KolmogorovSystem, limit: int = SHOWN) -> Fragment:
    r"""The Kolmogorov equations with their initial values; ``limit`` as in :func:`closed_form`.

    >>> from symguide.family import representative
    >>> print(ode(kolmogorov(representative(1))).rows[0])
    \frac{d}{d s} P_{(\mathrm{M})}(s) &= - Z_{z,w}\, P_{(\mathrm{M})}(s)
    """
    block = equations(system.equations[:limit])
    left_out = _left_out(limit, len(system.equations), "equations")
    start, *others = system.initial.items()
    rest = r",\quad P_x = 0 \text{ for every other context } x" if others else ""
    initial = [f"{tex(start[0])} &= {tex(start[1])}{rest}"]
    return Fragment((*block.rows, *left_out, *initial))


def schedule_equations(schedule: NoiseSchedule | None = None) -> Fragment:
    r"""The mask fraction in time, with the concrete ``α`` where a schedule is given.

    >>> print(schedule_equations().rows[0])
    u &= \frac{1 - \alpha(t)}{1 - \alpha(T)}, \qquad s = - \ln u
    """
    general = Fragment((r"u &= \frac{1 - \alpha(t)}{1 - \alpha(T)}, \qquad s = - \ln u",))
    if schedule is None:
        return general
    concrete = {r"\alpha(t)": schedule.alpha, "T": schedule.horizon, "u": schedule.mask_fraction}
    return general + _aligned({**concrete, r"\beta(t)": cancel(schedule.hazard)}.items())


def _as_powers(expression: Expr, solution: Solution) -> tuple[Expr, set[Relational]] | None:
    """Powers of ``u`` and the conditions that stay open; ``None`` where a condition fails."""
    shown, conditions = powers_of_u(_quotients(expression, solution.named.chain.exit_rate(0)))
    pairs = {atom.nodes for atom in expression.atoms(exp_dd) if len(atom.nodes) == 2}
    conditions |= {Ne(*nodes) for nodes in pairs if confluent_equal(*nodes) is None}
    open_conditions = set()
    for condition in conditions:
        same = confluent_equal(*map(solution.spell_out, condition.args))
        if same:
            return None
        if same is None:
            open_conditions.add(condition)
    return shown, open_conditions


def _quotients(expression: Expr, slow: Expr) -> Expr:
    """One rate, and two distinct ones, as the papers write them: ``u^a`` and ``(u^a − u^Λ)/(Λ − a)``."""
    known: dict[Expr, Expr] = {}
    for atom in expression.atoms(exp):
        known[atom] = u ** -atom.args[0].as_independent(s)[0]
    for atom in expression.atoms(exp_dd):
        if len(atom.nodes) == 2 and confluent_equal(*atom.nodes) is not True:
            a, b = atom.nodes if atom.nodes[0] != slow else atom.nodes[::-1]
            a, b = (b, a) if b == 0 else (a, b)
            known[atom] = Mul(Add(u**a, -(u**b)), Pow(b - a, -1))
    return expression.xreplace(known)


def _conditions(conditions: Iterable[Relational]) -> list[str]:
    shown = sorted(rf"{tex(item.args[0])} \neq {tex(item.args[1])}" for item in conditions)
    if not shown:
        return []
    first, *more = _pack([[text + r",\ "] for text in shown[:-1]] + [[shown[-1]]], WIDTH / 2)
    return [rf"&\text{{where }} {first}", *(rf"&\qquad {line}" for line in more)]


# --- documents --------------------------------------------------------------------------------------------------------

_PREAMBLE = r"""\documentclass[11pt,a4paper]{article}
\usepackage[margin=25mm]{geometry}
\usepackage{amsmath,amssymb,amsthm,array,booktabs,longtable}
\usepackage[hidelinks,bookmarks=false]{hyperref}
\allowdisplaybreaks
\addtolength{\jot}{2pt}
\renewcommand{\labelitemi}{$\bullet$}
\newcommand{\verdict}[1]{{\unskip\nobreak\hfil\penalty50\hskip2em\hbox{}\nobreak\hfil\textit{#1}\parfillskip=0pt\par}}
\setlength{\emergencystretch}{4em}
\newtheorem*{claim}{Theorem}
\theoremstyle{definition}
\newtheorem{step}{Step}
"""


def document(title: str, sections: Iterable[tuple[str, str]]) -> str:
    r"""A standalone article: a plain title, and sections as pairs (plain heading, LaTeX body), empty ones left out.

    >>> from sympy import Eq
    >>> source = document("One token", [("Law", equations([Eq(s, -log(u))]).display), ("Nothing", "")])
    >>> source.count(r"\section"), r"\title{One token}" in source
    (1, True)
    """
    parts = [(f"\\section*{{{escape(heading)}}}\n" if heading else "", text.strip()) for heading, text in sections]
    body = "\n\n".join(heading + text for heading, text in parts if text)
    head = f"{_PREAMBLE}\n\\title{{{escape(title)}}}\n\\author{{}}\n\\date{{}}\n\\begin{{document}}\n\\maketitle\n"
    return f"{head}\n{body}\n\n\\end{{document}}\n"


def notation_table(entries: Iterable[tuple[str, str]] = NOTATION) -> str:
    r"""A table of symbols: pairs (mathematics, meaning).

    >>> print(notation_table([("u", "mask fraction")]).splitlines()[2])
    $u$ & mask fraction \\
    """
    lines = [rf"${symbol}$ & {meaning} \\" for symbol, meaning in entries]
    columns = r"@{}>{\raggedright\arraybackslash}p{0.25\textwidth}>{\raggedright\arraybackslash}p{0.69\textwidth}@{}"
    return "\n".join([rf"\begin{{longtable}}{{{columns}}}", r"\toprule", *lines, r"\bottomrule", r"\end{longtable}"])


def solution_document(
    solution: Solution,
    problem: Problem | None = None,
    rule: str = "rate",
    schedule: NoiseSchedule | None = None,
    limit: int = SHOWN,
) -> str:
    r"""The closed form of a guided chain as an article: equations, closed forms both ways, TV, terminal law, notation.

    Parameters
    ----------
    solution
        The solved chain.
    problem, rule
        The data and the guidance rule it came from, to be told in the text.
    schedule
        The noise schedule to spell out; without one ``α`` stays a function.
    limit
        How many contexts each list shows; the text says how many it leaves out.

    >>> from symguide.family import representative
    >>> from symguide.solution import solve
    >>> source = solution_document(solve(representative(2)))
    >>> source.startswith(r"\documentclass"), r"d_{x_{2}}" in source
    (True, True)
    """
    solution = shared_form(solution)
    system = kolmogorov(solution.named)
    forms = [closed_form(solution, form, limit) for form in ("divided differences", "powers of u")]
    # With a symbolic N the chain is seen along one sequence, so its contexts are not all that TV sums over.
    whole = isinstance(solution.named.chain.vocabulary, int)
    survival = [tv_form(solution, form).display for form in ("divided differences", "powers of u")] if whole else []
    used = [
        *solution.probabilities[:limit],
        *solution.terminal.probabilities[:limit],
        *([solution.tv] if whole else []),
    ]
    used += [equation.rhs for equation in system.equations[:limit]]
    return document(
        "Closed form of the guided reverse chain" + (f": {problem.name}" if problem else ""),
        [
            ("Problem", _story(solution, problem, rule)),
            ("Notation", notation_table()),
            ("Kolmogorov equations", ode(system, limit).display),
            (
                "Closed form",
                "As divided differences of the exponential, valid whichever exit rates coincide:\n"
                + forms[0].display
                + "\nIn powers of $u = e^{-s}$:\n"
                + forms[1].display,
            ),
            ("Distance to the terminal law", "\n".join(survival)),
            ("Terminal law", terminal_form(solution, limit).display),
            ("Abbreviations", _abbreviations(solution, used)),
            ("Noise schedule", _schedule_story(schedule)),
        ],
    )


def _story(solution: Solution, problem: Problem | None, rule: str) -> str:
    chain, strength = solution.named.chain, solution.named.w
    rates = "raw intensities" if rule == "rate" else "intensities divided by their sum at each position"
    tokens = f"N = {chain.vocabulary}" if isinstance(chain.vocabulary, int) else "N"
    lines = [
        f"Masked diffusion on $D = {chain.length}$ positions with ${tokens}$ tokens, guided by {rates} "
        f"({escape(rule)} rule). The chain starts from ${_tuple(chain.start)}$ and has {len(chain.states)} contexts."
    ]
    if problem is not None:
        lines.append(
            (f"The target class is \\emph{{{escape(problem.target)}}}." if problem.target else "Two laws are compared.")
            + (f" Data: {escape(problem.source)}." if problem.source else "")
        )
        lines += [f"Note: {escape(note)}." for note in problem.notes]
        if problem.labels and problem.labels != tuple(map(str, range(problem.vocabulary))):
            names = ", ".join(f"{index}~=~{escape(label)}" for index, label in enumerate(problem.labels))
            lines.append(f"Tokens: {names}.")
    if strength.free_symbols:
        lines.append(
            "The formulas hold for every $w > -1$"
            + (", and for $w = -1$ too." if chain.includes_unconditional else "; $w = -1$ is a chain of its own.")
        )
    else:
        lines.append(f"The guidance strength is $w = {tex(strength)}$.")
    return "\n\n".join(lines)


def _abbreviations(solution: Solution, used: Sequence[Basic]) -> str:
    block = definitions(solution.definitions, used)
    return ("Rates that are the same function of $w$ share one name.\n" + block.display) if block.rows else ""


def _schedule_story(schedule: NoiseSchedule | None) -> str:
    block = schedule_equations(schedule).display
    if schedule is None:
        return "The mask fraction $u$ stands for any noise schedule:\n" + block
    source = f" ({escape(schedule.source)})" if schedule.source else ""
    return f"The noise schedule is \\emph{{{escape(schedule.name)}}}{source}, with hazard $\\beta(t)$:\n" + block


def compile_pdf(source: str, path: str | os.PathLike[str]) -> Path:
    """Run ``pdflatex`` twice in a temporary folder and put the PDF in place; a PDF that was there stays if it fails.

    Raises
    ------
    SymguideError
        Where ``pdflatex`` is missing or refuses the source (with the first error of its log), and where the PDF cannot
        be written.

    >>> compile_pdf("no document", "missing/folder/law.pdf")
    Traceback (most recent call last):
    symguide.errors.SymguideError: missing/folder/law.pdf: ...
    """
    target = Path(path)
    program = shutil.which("pdflatex")
    if not target.parent.is_dir():
        raise SymguideError(f"{target}: there is no folder {target.parent}, so the PDF has no place; create it")
    if program is None:
        raise SymguideError(
            f"{target}: pdflatex is not installed, so there is no PDF; "
            "install texlive-latex-recommended, or keep to the .tex"
        )
    with tempfile.TemporaryDirectory(prefix="symguide-") as name:
        folder = Path(name)
        (folder / "document.tex").write_text(source, encoding="utf-8")
        command = [program, "-interaction=nonstopmode", "-halt-on-error", "-no-shell-escape", "document.tex"]
        settings = {**os.environ, "max_print_line": "1000", "TEXINPUTS": ":", "openout_any": "p"}
        for _ in range(2):
            done = subprocess.run(
                command, cwd=folder, env=settings, stdin=subprocess.DEVNULL, capture_output=True, check=False
            )
            if done.returncode:
                report = done.stdout.decode("utf-8", "replace").splitlines()
                first = next((line for line in report if line.startswith("!")), report[-1] if report else "no output")
                raise SymguideError(
                    f"{target}: pdflatex stopped with {first.removeprefix('!').strip()!r}, so there is no PDF; "
                    "mend the source or install the package it lacks"
                )
        try:
            # Beside the target, so that the last move is one step on one file system.
            with tempfile.NamedTemporaryFile(dir=target.parent, suffix=".pdf", delete=False) as beside:
                beside.write((folder / "document.pdf").read_bytes())
            os.chmod(beside.name, 0o644)
            os.replace(beside.name, target)
        except OSError as problem:
            raise SymguideError(
                f"{target}: {problem.strerror}, so the PDF was not written; choose another path"
            ) from None
    return target
