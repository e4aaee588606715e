r"""LaTeX of formulas, broken into lines that fit.

Formulas are broken at sums, products, brackets and commas *before* they are typeset, from an estimate of their width,
so that nothing runs off a page and nothing is cut. A :class:`Fragment` is mathematics for a document or a notebook.
"""

# SymPy types the parts of its trees as Basic; here they are expressions.
# pyright: reportArgumentType=false, reportReturnType=false, reportAttributeAccessIssue=false

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from sympy import Add, Basic, Expr, Function, Integer, Limit, Mul, Pow, Rational, Sum, exp, fraction, log
from sympy.core.relational import Relational

from symguide.latex.notation import HOLE, Printer, tex, tidy
from symguide.numbers.exp_dd import exp_dd

__all__ = [
    "SHOWN",
    "WIDTH",
    "Fragment",
    "Row",
    "aligned",
    "definitions",
    "equations",
    "in_use",
    "left_out",
    "pack",
    "width",
]

WIDTH = 40.0
"""Room for a line of mathematics, in em: a little less than the text width of :func:`document`."""
SHOWN = 24
"""How many contexts a block prints unless told otherwise; it says how many it leaves out."""


# --- widths ----------------------------------------------------------------------------------------------------------

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
    printer = Printer()
    expression = tidy(expression)
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
            return pack(items, room, r"\cdot ")
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
            return _group(pack(nodes, inner), room, rf"\mathcal{{E}}_{{{printer.doprint(expression.clock)}}}", "[]")
        case Sum():
            head = printer.doprint(Sum(HOLE, *expression.limits)).removesuffix("X").rstrip()
            return _group(_layout(expression.function, inner), room, head)
        case Limit():
            head = printer.doprint(Limit(HOLE, *expression.args[1:])).removesuffix("X").rstrip()
            return _group(_layout(expression.args[0], inner), room, head)
        case Integer():
            digits = str(expression)
            return pack([[digits[i : i + 20]] for i in range(0, len(digits), 20)], room, tight=True)
        case Rational():
            top, bottom = (_layout(Integer(part), inner) for part in (expression.p, expression.q))
            return pack([top, _group(bottom, room, "/")], room)
        case Function() if len(expression.args) == 1:
            head = printer.doprint(expression.func(HOLE)).partition(r"{\left(X")[0]
            return _group(_layout(expression.args[0], inner), room, head)
    return [line]


def _signed(printer: Printer, expression: Any, room: float) -> list[str]:
    items = []
    for index, term in enumerate(printer._as_ordered_terms(expression)):
        minus = term.could_extract_minus_sign()
        lines = _layout(-term if minus else term, room - 1.5)
        sign = "- " if minus else "+ " if index else ""
        items.append([sign + lines[0], *lines[1:]])
    return pack(items, room)


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


def pack(items: Iterable[Sequence[str]], room: float, between: str = "", tight: bool = False) -> list[str]:
    """Items set one after another, a new line begun where the next does not fit; products show their sign there.

    >>> pack([["a"], ["b"]], 40.0)
    ['a b']
    """
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
    >>> from symguide.symbols import u, w
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


Row: TypeAlias = tuple[str | Basic, Any] | tuple[str | Basic, Any, str]
"""A left-hand side, a right-hand side, and the relation between them, ``=`` unless said."""


def aligned(pairs: Iterable[Row], more: Iterable[str] = ()) -> Fragment:
    """Relations aligned at their signs, each right-hand side over as many rows as it needs; then rows as they are.

    Left-hand sides that would leave the right ones too little room stand in their column, on rows of their own.

    >>> from symguide.symbols import u
    >>> aligned([("x", u)]).rows
    ('x &= u',)
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


def left_out(shown: int, total: int, what: str) -> list[str]:
    """The row that says so where contexts are left out.

    >>> left_out(3, 3, "contexts")
    []
    """
    return [] if shown >= total else [rf"\vdots & \quad \text{{({total - shown} of {total} {what} left out)}}"]


def equations(items: Iterable[Basic]) -> Fragment:
    r"""SymPy equations and other relations, one under another; an expression stands alone.

    >>> from sympy import Eq, log
    >>> from symguide.symbols import s, u
    >>> print(equations([Eq(s, -log(u), evaluate=False)]).rows[0])
    s &= - \ln{\left(u \right)}
    """
    signs = {"==": "=", "!=": r"\neq", "<": "<", ">": ">", "<=": r"\leq", ">=": r"\geq"}
    rows = [(x.lhs, x.rhs, signs[x.rel_op]) if isinstance(x, Relational) else ("", x, "") for x in items]
    return aligned(rows)


def definitions(meanings: Mapping[Expr, Expr], used: Iterable[Basic] | None = None) -> Fragment:
    r"""What abbreviations stand for; with ``used``, only those :func:`in_use`.

    >>> from symguide.chains.family import representative
    >>> print(definitions(representative(1).definitions).rows[0])
    Z_{z,w} &= \sum_{v=0}^{N - 1} \left(\frac{p_{1}(v \mid z)}{p_{1}(v)}\right)^{w} p_{1}(v \mid z)
    """
    wanted = meanings if used is None else in_use(meanings, used)
    return aligned((tex(key), value) for key, value in wanted.items())


def in_use(meanings: Mapping[Expr, Expr], used: Iterable[Basic]) -> dict[Expr, Expr]:
    """The abbreviations that occur in some expressions, and those that what they stand for speaks of.

    >>> from symguide.symbols import s, symbol, w
    >>> a, b = symbol("a"), symbol("b")
    >>> in_use({a: b + 1, b: w, w: s}, [2 * a])
    {a: b + 1, b: w, w: s}
    """
    kinds = tuple({type(key) for key in meanings})
    wanted = set[Basic]()
    found = set[Basic]().union(*(expression.atoms(*kinds) for expression in used)) & meanings.keys()
    while found:
        wanted |= found
        found = set[Basic]().union(*(meanings[key].atoms(*kinds) for key in found)) & meanings.keys() - wanted
    return {key: value for key, value in meanings.items() if key in wanted}
