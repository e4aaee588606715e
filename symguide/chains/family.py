"""General chains: every rate its own symbol, or one representative sequence for a symbolic vocabulary."""

from fractions import Fraction
from itertools import combinations, product
from typing import Any, cast

from sympy import Expr, Function, Integer, Sum, Symbol, Tuple

from symguide.chains.chain import Chain, Reveal, assemble
from symguide.chains.naming import NamedChain, plain
from symguide.laws.law import Context
from symguide.laws.tilt import power_product
from symguide.numbers.arithmetic import SYMBOLIC
from symguide.numbers.expsum import ExpSum
from symguide.symbols import MASK, symbol, w

__all__ = ["PositionRate", "TokenProbability", "rate_symbols", "representative", "vocabulary_size"]

vocabulary_size: Any = symbol("N", integer=True, positive=True)
"""The number of tokens where it is a symbol."""
MASK_SYMBOL: Symbol = symbol(MASK)
"""The mask inside SymPy expressions."""


class TokenProbability(Function):
    """``p_i(v|x_S)`` or, with its last argument 1, ``p_i(v|x_S,z)``: a token law of general data.

    LaTeX shows the revealed tokens ``x_S`` only, as the papers do; as text it tells masks too.

    >>> TokenProbability(1, Symbol("v"), Tuple(MASK_SYMBOL, Symbol("y")), 1)
    p_1(v|M,y,z)
    """

    nargs = 4
    is_positive = True
    is_real = True

    def _sympystr(self, printer: Any) -> str:
        return f"p_{self.args[0]}({printer._print(self.args[1])}{self._given(printer, '|')})"

    def _latex(self, printer: Any, exp: str | None = None) -> str:
        given = self._given(printer, r" \mid ", masks=False)
        tex = rf"p_{{{self.args[0]}}}({printer._print(self.args[1])}{given})"
        return tex if exp is None else f"{tex}^{{{exp}}}"

    def _given(self, printer: Any, bar: str, masks: bool = True) -> str:
        """What is conditioned on: the context, or without masks the revealed tokens ``x_S`` alone."""
        context: Any = self.args[2]
        revealed = [value for value in context if value != MASK_SYMBOL]
        shown = map(printer._print, context if masks and revealed else revealed)
        given = ",".join([*shown, *(["z"] if self.args[3] == 1 else [])])
        return bar + given if given else ""


class PositionRate(Function):
    """``Z_i(x_S)``, the sum of the raw intensities at one position; for two tokens ``c_{x_1}`` and ``d_{x_2}``.

    >>> PositionRate(2, Tuple(Symbol("x_1"), MASK_SYMBOL)), PositionRate(1, Tuple(MASK_SYMBOL))
    (c(x_1), Z)
    """

    nargs = 2
    is_positive = True
    is_real = True

    def _sympystr(self, printer: Any) -> str:
        name, shown = self._parts()
        return name + (f"({','.join(map(printer._print, shown))})" if shown else "")

    def _latex(self, printer: Any, exp: str | None = None) -> str:
        name, shown = self._parts()
        values = ",".join(map(printer._print, shown))
        if name in "cd":
            tex = f"{name}_{{{values}}}"
        else:
            stem = "Z_{z,w}" if name == "Z" else f"Z_{{{name[2:]}}}"
            tex = stem + (f"({values})" if shown else "")
        return tex if exp is None else rf"{{{tex}}}^{{{exp}}}"

    def _parts(self) -> tuple[str, tuple[Expr, ...]]:
        position, context = cast(tuple[Any, Any], self.args)
        shown = tuple(context)
        revealed = tuple(value for value in shown if value != MASK_SYMBOL)
        if len(shown) == 1:
            return "Z", ()
        if len(shown) == 2 and revealed:
            return ("c" if position == 2 else "d"), revealed
        return f"Z_{position}", shown if revealed else ()


def rate_symbols(vocabulary: int, length: int) -> Chain[Any]:
    """The chain on all contexts whose every reveal rate is a positive symbol of its own: the most general guided chain.

    >>> rate_symbols(2, 1).exit_rates[0].expression(symbol("w"))
    r(M->0) + r(M->1)
    """
    edges: dict[Context, list[tuple[Context, int, int, Any]]] = {}
    leaving: dict[Context, list[Any]] = {}
    for context in product((None, *range(vocabulary)), repeat=length):
        edges[context], leaving[context] = [], []
    for context in edges:
        for position, token in enumerate(context):
            if token is not None:
                source = (*context[:position], None, *context[position + 1 :])
                rate = symbol(f"r({plain(source)}->{plain(context)})", positive=True)
                edges[context].append((source, position, token, ExpSum.constant(rate)))
                leaving[source].append((rate, Fraction(1)))
    return assemble(vocabulary, length, edges, {context: ExpSum.of(terms) for context, terms in leaving.items()})


def representative(length: int, normalised: bool = False) -> NamedChain:
    """The chain seen along one sequence ``x_1 … x_D`` of general laws with a symbolic number ``N`` of tokens.

    Its states are the contexts that show some of the tokens ``x_i``: those are all the contexts through which that
    sequence is reached, so their probabilities are those of the whole chain. The raw intensities are ``q_i(x_i|x_S) =
    p_i(x_i|x_S,z)^{1+w} p_i(x_i|x_S)^{−w}``, the position rates ``Z_i(x_S) = Σ_v q_i(v|x_S)`` are sums over all ``N``
    tokens, and the exit rates are ``Σ_i Z_i``, or the number of masks for the normalised rule.

    Parameters
    ----------
    length
        ``D``; there are ``2^D`` states.
    normalised
        Whether each position's intensities are divided by ``Z_i``.

    References
    ----------
    He, Rojas, Tao, arXiv:2506.10971: the one- and two-token dynamics, where ``Z_2(x_1) = c_{x_1}``, ``Z_1(x_2) =
    d_{x_2}``.

    >>> family = representative(1)
    >>> family.chain.states, family.definitions
    (((None,), (x_1,)), {Z: Sum((p_1(v|z)/p_1(v))**w*p_1(v|z), (v, 0, N - 1))})
    """
    tokens: tuple[Any, ...] = tuple(symbol(f"x_{i + 1}", integer=True, nonnegative=True) for i in range(length))
    definitions: dict[Expr, Expr] = {}
    totals: dict[tuple[Context, int], Expr] = {}
    subsets = [shown for size in range(length + 1) for shown in combinations(range(length), size)]
    states: tuple[tuple[Any, ...], ...] = tuple(
        tuple(tokens[i] if i in shown else None for i in range(length)) for shown in subsets
    )
    for context in states:
        for position in range(length):
            if context[position] is None:
                totals[context, position] = total = _position_rate(context, position)
                definitions[total] = _sum_of_intensities(context, position)
    exits: list[Expr] = []
    incoming: list[tuple[Reveal[Expr], ...]] = []
    index = {context: j for j, context in enumerate(states)}
    for context in states:
        masked = [i for i in range(length) if context[i] is None]
        exits.append(
            Integer(len(masked)) if normalised else sum((totals[context, i] for i in masked), start=Integer(0))
        )
        reveals = []
        for position in range(length):
            if context[position] is not None:
                source = (*context[:position], None, *context[position + 1 :])
                rate: Expr = _reveal_terms(source, position, tokens[position]).expression(w)
                if normalised:
                    rate = rate / totals[source, position]
                reveals.append(Reveal(index[source], position, tokens[position], rate))
        incoming.append(tuple(reveals))
    distinct = tuple(dict.fromkeys(exits))
    chain = Chain(
        vocabulary_size, length, states, tuple(incoming), distinct, tuple(map(distinct.index, exits)), SYMBOLIC
    )
    return NamedChain(chain, definitions, w)


def _reveal_terms(context: Context, position: int, token: Expr) -> ExpSum:
    """``q_i(v|x_S)`` through the tilt formula, on symbolic token laws."""
    shown = Tuple(*(MASK_SYMBOL if value is None else value for value in context))
    conditional = TokenProbability(Integer(position + 1), token, shown, Integer(1))
    unconditional = TokenProbability(Integer(position + 1), token, shown, Integer(0))
    return power_product([(conditional, 1 + w), (unconditional, -w)])


def _sum_of_intensities(context: Context, position: int) -> Any:
    token = symbol("v", integer=True, nonnegative=True)
    return Sum(_reveal_terms(context, position, token).expression(w), (token, 0, vocabulary_size - 1))


def _position_rate(context: Context, position: int) -> Any:
    shown = Tuple(*(MASK_SYMBOL if value is None else value for value in context))
    return PositionRate(Integer(position + 1), shown)
