"""Names for exit rates and normalisers, so that closed forms stay in shared form."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, cast

from sympy import Expr

from symguide.chains.chain import Chain, Reveal
from symguide.errors import DataError
from symguide.laws.law import Context
from symguide.laws.strength import require_strength
from symguide.numbers.arithmetic import SYMBOLIC
from symguide.numbers.expsum import ExpSum, Quotient
from symguide.symbols import MASK, s, symbol, t, tau, u

__all__ = ["NamedChain", "exit_label", "named", "normaliser_label", "plain"]


@dataclass(frozen=True, slots=True)
class NamedChain:
    """A chain over SymPy whose sums are abbreviated, and what each abbreviation stands for.

    Attributes
    ----------
    chain
        The chain; its rates and exit rates speak of abbreviations.
    definitions
        ``{abbreviation: expression in w and the data}``.
    w
        The guidance strength they speak of.

    >>> from symguide.chains.family import representative
    >>> representative(2).chain.exit_rates
    (Z_1 + Z_2, c(x_1), d(x_2), 0)
    """

    chain: Chain[Expr]
    definitions: Mapping[Expr, Expr]
    w: Expr

    def spell_out(self, expression: Expr) -> Expr:
        """The expression with its abbreviations replaced by what they stand for."""
        return cast(Expr, expression.xreplace(dict(self.definitions)))


def named(chain: Chain[Any], w: Expr) -> NamedChain:
    """The chain over SymPy with its sums abbreviated by symbols, and what each symbol stands for.

    Exit rates become ``Λ`` symbols and the normalisers of the normalised rule ``Z`` symbols, one symbol per distinct
    sum, so closed forms keep their shared form. Constants stay numbers.

    >>> from symguide.chains.chain import guided_chain
    >>> from symguide.laws.mixture import ClassMixture
    >>> from symguide.symbols import w
    >>> from symguide.laws.tilt import guidance
    >>> mixture = ClassMixture.of(2, 1, {"a": ("1/2", {(0,): 1}), "b": ("1/2", {(1,): 1})})
    >>> named(guided_chain(guidance(mixture.problem("a"))), w).definitions
    {Z: 2**w}
    """
    require_strength(w, chain.includes_unconditional)
    definitions: dict[Expr, Expr] = {}
    names: dict[ExpSum, Expr] = {}

    def name(value: ExpSum, label: str) -> Expr:
        if value not in names:
            if value.is_constant and not value.expression(w).free_symbols:
                names[value] = value.expression(w)
            else:
                names[value] = abbreviation = symbol(label, positive=True)
                definitions[abbreviation] = value.expression(w)
        return names[value]

    exits: list[Expr | None] = [None] * len(chain.exit_rates)
    for state, context in enumerate(chain.states):
        place = chain.exit_of[state]
        if exits[place] is None:
            exits[place] = name(chain.exit_rates[place], exit_label(context))
    incoming = []
    for reveals in chain.incoming:
        row = []
        for reveal in reveals:
            rate = reveal.rate
            if isinstance(rate, Quotient):
                source = chain.states[reveal.source]
                bottom = name(rate.denominator, normaliser_label(source, reveal.position))
                value = rate.numerator.expression(w) / bottom
            else:
                value = rate.expression(w)
            row.append(Reveal(reveal.source, reveal.position, reveal.token, value))
        incoming.append(tuple(row))
    taken = {*definitions, s, t, tau, u} & set().union(*(value.free_symbols for value in definitions.values()))
    if taken:
        raise DataError(
            f"the data contain the symbols {sorted(map(str, taken))}, which closed forms use themselves; rename them"
        )
    graph = replace(chain, incoming=tuple(incoming), exit_rates=tuple(exits), arithmetic=SYMBOLIC)
    return NamedChain(graph, definitions, w)


def exit_label(context: Context) -> str:
    """The name of an exit rate: ``Z`` for one token, ``c_v`` and ``d_v`` for two, ``Lambda_x`` otherwise.

    >>> exit_label((None,)), exit_label((2, None)), exit_label((None, 2)), exit_label((None, 1, None))
    ('Z', 'c_2', 'd_2', 'Lambda_(M,1,M)')
    """
    match context:
        case (None,):
            return "Z"
        case (int(token), None):
            return f"c_{token}"
        case (None, int(token)):
            return f"d_{token}"
    return f"Lambda_({plain(context)})"


def normaliser_label(context: Context, position: int) -> str:
    """The name of ``Z_i(x_S)``, the sum of the raw intensities at one position (counted from 1).

    >>> normaliser_label((None, None), 0), normaliser_label((2, None), 1), normaliser_label((None, 1, None), 2)
    ('Z_1', 'c_2', 'Z_3(M,1,M)')
    """
    if len(context) <= 2 and sum(token is None for token in context) == 1:
        return exit_label(context)
    suffix = "" if all(token is None for token in context) else f"({plain(context)})"
    return f"Z_{position + 1}{suffix}"


def plain(context: Context) -> str:
    """A context without brackets.

    >>> plain((None, 2))
    'M,2'
    """
    return ",".join(MASK if token is None else str(token) for token in context)
