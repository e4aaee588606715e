"""``symguide regime``: what total variation does as guidance grows."""

from __future__ import annotations

from symguide.cli.arguments import problem_of
from symguide.cli.machine import regime_document
from symguide.cli.outputs import busy, write_json
from symguide.cli.parameters import DONE, JSON, PROBLEM, RULE, TARGET, command

__all__ = ["regime_command"]


@command("regime", PROBLEM, TARGET, RULE, JSON)
def regime_command(problem: str, target: str | None, rule: str, as_json: bool) -> int:
    """Large-w regime: how total variation vanishes as guidance grows, or where it stays.

    Double-exponential, single-exponential or saturating, at any fixed mask fraction u in (0, 1), decided from exact
    data: the base of the rate or the limit, the context that shows it, and bounds from both sides that prove it.
    """
    from symguide.asymptotics.regime import regime

    given = problem_of(problem, target)
    with busy(f"deciding the regime of {given.name}"):
        found = regime(given, rule)
    if as_json:
        write_json(regime_document(found))
        return DONE
    from symguide.display.regimes import regime_tables
    from symguide.display.tables import screen

    screen().print(regime_tables(given, rule, found))
    return DONE
