r"""The notation of the papers: how text, names, contexts and formulas are spelled in LaTeX, and what symbols mean."""

# SymPy types the parts of its trees as Basic; here they are expressions.
# pyright: reportArgumentType=false, reportReturnType=false, reportAttributeAccessIssue=false

import re
import unicodedata
from collections.abc import Iterable
from typing import Any

from sympy import Add, Basic, Mul, Sum, Symbol, fraction
from sympy.core.function import AppliedUndef
from sympy.printing.latex import LatexPrinter
from sympy.printing.precedence import PRECEDENCE

from symguide.chains.naming import plain
from symguide.laws.law import Context
from symguide.numbers.exp_dd import exp_dd
from symguide.symbols import MASK, s, t, tau, u

__all__ = [
    "HOLE",
    "NOTATION",
    "Printer",
    "context_tex",
    "escape",
    "notation_table",
    "state",
    "tex",
    "tidy",
]

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


def notation_table(entries: Iterable[tuple[str, str]] = NOTATION) -> str:
    r"""A table of symbols: pairs (mathematics, meaning).

    >>> print(notation_table([("u", "mask fraction")]).splitlines()[2])
    $u$ & mask fraction \\
    """
    lines = [rf"${symbol}$ & {meaning} \\" for symbol, meaning in entries]
    columns = r"@{}>{\raggedright\arraybackslash}p{0.25\textwidth}>{\raggedright\arraybackslash}p{0.69\textwidth}@{}"
    return "\n".join(
        [rf"\noindent\begin{{tabular}}{{{columns}}}", r"\toprule", *lines, r"\bottomrule", r"\end{tabular}"]
    )


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
    r"""The abbreviations of :mod:`symguide.chains.naming`, and others: ``Lambda_(M,2)``, ``r(M->0)``, ``p(0|en)``."""
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


HOLE = Symbol("X")
"""What stands for the operand while the sign in front of it is printed."""


class Printer(LatexPrinter):
    r"""SymPy's printer with the paper's names and order: rates before functions of the clock, positive terms first.

    >>> print(Printer().doprint(Symbol("Lambda_(M,2)")))
    \Lambda_{(\mathrm{M},2)}
    """

    def __init__(self) -> None:
        super().__init__({"ln_notation": True})

    def _print_Symbol(self, expr: Any, style: str = "plain") -> str:
        return _name(expr.name)

    def _print_AppliedUndef(self, expr: Any, exp: str | None = None) -> str:
        token, *given = map(self._print, expr.args)
        name = expr.func.__name__
        if name.endswith("_"):  # the first argument is an index
            called = f"{_name(name[:-1])}_{{{token}}}" + (f"({', '.join(given)})" if given else "")
            return called if exp is None else rf"{{{called}}}^{{{exp}}}"
        bar = r" \mid " if name.endswith("|") else ", "
        inside = f"{token}{bar if given else ''}{', '.join(given)}"
        around = rf"\left({inside}\right)" if r"\frac" in inside else f"({inside})"
        called = f"{_name(name.removesuffix('|'))}{around}"
        return called if exp is None else f"{called}^{{{exp}}}"

    def _print_Sum(self, expr: Any) -> str:
        if len(expr.limits) == 1:
            return super()._print_Sum(expr)
        signs = [super(Printer, self)._print_Sum(Sum(HOLE, bounds)) for bounds in reversed(expr.limits)]
        function = self.factor(expr.function) if isinstance(expr.function, Add) else self._print(expr.function)
        return " ".join([*(sign.removesuffix("X").rstrip() for sign in signs), function])

    def _print_Mul(self, expr: Any) -> str:
        if not isinstance(
            expr, Mul
        ):  # SymPy prints negative powers as products: their base and exponent are no factors
            return super()._print_Mul(expr)
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
    return Printer().doprint(tidy(expression))


def _is_late(part: Any) -> bool:
    """Functions of the clock, and sums of fractions, stand after what multiplies them."""
    if isinstance(part, Add):
        return any(fraction(term, exact=True)[1] != 1 for term in part.args)
    return isinstance(part, exp_dd) or (isinstance(part, AppliedUndef) and part.free_symbols <= {s, t, tau, u})


def tidy(expression: Any) -> Any:
    """Signs taken out of factors that are sums of negative terms only; what needs no change stays as it was written.

    >>> tidy(u / (-s - t) ** 2)
    u/(s + t)**2
    """
    parts = tuple(map(tidy, expression.args))
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
    return f"P_{{{context_tex(context)}}}" + (f"({argument})" if argument else "")


def context_tex(shown: Context) -> str:
    r"""A context as a tuple.

    >>> print(context_tex((None, 2)))
    (\mathrm{M},2)
    """
    return f"({','.join(map(_token, plain(shown).split(',')))})"
