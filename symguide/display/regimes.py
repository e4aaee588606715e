"""How a regime looks to people: the verdict, the rate, the contexts that show it, the bounds that prove it."""

from collections.abc import Sequence

import sympy
from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.text import Text
from sympy import Expr

from symguide.asymptotics.brackets import Bracket
from symguide.asymptotics.regime import Kind, Regime
from symguide.display.tables import plain_table, token_text, verdict_text
from symguide.laws.law import Context
from symguide.laws.mixture import Problem
from symguide.numbers.expsum import ExpSum
from symguide.numbers.number import shown, to_sympy

__all__ = ["regime_tables"]

_MOST_ROWS = 12
"""Contexts that are listed; all of them are in the JSON."""


def regime_tables(problem: Problem, rule: str, found: Regime) -> Group:
    """Everything ``regime`` has to say.

    >>> from symguide.instances.datasets import load
    >>> from symguide.asymptotics.regime import regime
    >>> problem = load("squares-overlap")
    >>> tables = regime_tables(problem, "rate", regime(problem))
    >>> [part.renderables[0].plain for part in tables.renderables if isinstance(part, Group)][0]
    'Total variation at fixed u, s = -ln u'
    """
    title = Text(problem.name, "bold")
    toward = "a pair of laws" if problem.target is None else f"target {problem.target}"
    title.append(f"   {toward}, {rule} rule, N = {problem.vocabulary}, D = {problem.length}", "not bold")
    heading = Text("Regime   ", "bold cyan").append(str(found.kind), "bold")
    known = Text("  ").append_text(verdict_text(found.evidence.verdict)).append(f": {found.evidence.detail}")
    rate = Padding(Group(heading, known), (0, 0, 1, 0), expand=False)
    return Group(Padding(title, (0, 0, 1, 0), expand=False), rate, *_statements(found), *_contexts(problem, found))


def _statements(found: Regime) -> list[RenderableType]:
    bracket = found.bracket
    if found.kind is Kind.DOUBLE:
        law, constant = f"ln(-ln TV) ~ w ln({shown(found.base)})", f"-ln TV ~ s {_terms(bracket.rate, 1)}"
    elif found.kind is Kind.SINGLE:
        law, constant = f"-ln TV ~ w ln({shown(found.base)})", f"TV ~ ({found.leading}) ({shown(found.base)})^(-w)"
    else:
        law, constant = f"TV -> {found.leading}", "at every u in (0, 1)"
    rows = [
        ("as w -> oo", law),
        ("leading constant", constant),
        (f"from w = {bracket.start} on, TV >=", _lower(bracket)),
    ]
    return [plain_table("Total variation at fixed u, s = -ln u", ("", ""), [*rows, ("and TV <=", _upper(bracket))])]


def _lower(bracket: Bracket) -> str:
    parts = [_polynomial(bracket)] if any(bracket.limit) else []
    if bracket.loss.terms:
        parts.append(f"- [{_terms(bracket.loss)}]")
    if bracket.reach.terms:
        rate = _terms(bracket.rate)
        power = "u" if rate == "1" else f"u^{rate}" if bracket.rate.is_constant else f"u^[{rate}]"
        reach = _terms(bracket.reach)
        parts.append(power if reach == "1" else f"{reach} {power}")
    return " ".join(parts)


def _upper(bracket: Bracket) -> str:
    parts = [_polynomial(bracket)] if any(bracket.limit) else []
    if bracket.excess.terms:
        parts.append(f"[{_terms(bracket.excess)}]")
    if bracket.weight:
        weight = "" if bracket.weight == 1 else f"{shown(bracket.weight)} "
        parts.append(f"{weight}P(Gamma({bracket.stages}) > s [{_terms(bracket.floor)}])")
    return " + ".join(parts)


def _polynomial(bracket: Bracket) -> str:
    u = sympy.Symbol("u")
    return str(sympy.Add(*(to_sympy(c) * u**k for k, c in enumerate(bracket.limit))))


def _terms(rate: ExpSum, most: int = 3) -> str:
    """The leading terms of a sum."""
    parts: list[str] = []
    for base, coefficient in rate.terms[:most]:
        factor = _short(to_sympy(coefficient))
        power = "" if base == 1 else f"({_short(to_sympy(base))})^w"
        parts.append(" ".join(part for part in ("" if factor == "1" and power else factor, power) if part))
    return " + ".join(parts) + (" + ..." if len(rate.terms) > most > 1 else "")


def _short(value: Expr) -> str:
    text = str(value)
    return text if len(text) <= 12 else f"{float(value):.6g}"


def _contexts(problem: Problem, found: Regime) -> list[RenderableType]:
    def texts(contexts: Sequence[Context]) -> str:
        return " -> ".join(token_text(problem, context) for context in contexts)

    witness = found.witness
    if found.kind is Kind.SATURATING:
        listed = witness.neutral[:_MOST_ROWS]
        rows = [(token_text(problem, context), shown(probability)) for context, probability in listed]
        left_out = len(witness.neutral) - len(listed)
        title = "Contexts left at the unguided pace, with the limits of the probabilities that they are visited"
        more = f"; {left_out} more are in the JSON" if left_out else ""
        return [plain_table(f"{title}{more}", ("context", "probability"), rows)]
    power = f"({shown(witness.base)})^{'w' if found.kind is Kind.DOUBLE else '(-w)'}"
    what = "slowest exit rate" if found.kind is Kind.DOUBLE else "likeliest neutral context"
    size = "exit rate ~" if found.kind is Kind.DOUBLE else "visited with probability ~"
    rows = [
        ("context", token_text(problem, witness.context)),
        (size, f"{shown(witness.coefficient)} {power}"),
        ("a likeliest way there", texts(witness.path)),
    ]
    return [plain_table(f"Witness: the {what}", ("", ""), rows)]
