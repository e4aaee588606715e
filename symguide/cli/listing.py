"""``symguide list``: what is built in."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from symguide.cli.outputs import write_json
from symguide.cli.parameters import DONE, JSON, command

__all__ = ["list_command"]


SHAPED = "Rojas et al., arXiv:2507.08965, and its code"
WRITTEN = "this package's own notation"


@command("list", JSON)
def list_command(as_json: bool) -> int:
    """Built-in instances, schedules, samplers, rules and derivations, with their sources."""
    from symguide.flows.samplers import SAMPLERS
    from symguide.instances.datasets import DATASETS
    from symguide.laws.rules import RULES
    from symguide.laws.strength import CONVENTIONS
    from symguide.proofs.derivation import REFERENCES, catalogue
    from symguide.schedules.guidance_schedule import SHAPES
    from symguide.schedules.published import SCHEDULES

    def item(name: str, description: str, source: str, **more: Any) -> dict[str, Any]:
        return {"name": name, "description": description, "source": source, **more}

    listed = {
        "instances": [
            item(name, known.description, known.source, target=known.target, parameters=_defaults(known.parameters))
            for name, known in DATASETS.items()
        ],
        "schedules": [
            item(name, kind.description, kind.source, parameters=_defaults(dict(kind.build().parameters)))
            for name, kind in SCHEDULES.items()
        ],
        "guidance_schedules": [
            item("w@high:low,...", "windows of one strength each, in u; t=, step=J/K for times and steps", WRITTEN),
            item("interval:w@high:low", "w between two mask fractions, 0 outside", SHAPED),
            *(item(f"{name}:w", shape.description, SHAPED) for name, shape in SHAPES.items()),
        ],
        "samplers": [item(name, kind.description, kind.source, rule=kind.rule) for name, kind in SAMPLERS.items()],
        "rules": [
            item(name, description, source.rstrip(")"))
            for name, (description, _, source) in ((name, text.rpartition(" (")) for name, text in RULES.items())
        ],
        "strengths": [item(name, f"{c.formula}: {c.description}", c.source) for name, c in CONVENTIONS.items()],
        "derivations": [
            item(name, known.title, "; ".join(str(REFERENCES[key]) for key in known.citations))
            for name, known in catalogue().items()
        ],
    }
    if as_json:
        write_json(listed)
        return DONE
    from symguide.display.reports import listing
    from symguide.display.tables import screen

    screen().print(listing(listed))
    return DONE


def _defaults(parameters: Mapping[str, Any]) -> dict[str, str]:
    """Parameters of an instance as they are written after its name."""
    joined = {tuple: lambda value: ("x" if isinstance(value[0], int) else "+").join(map(str, value))}
    return {key: joined.get(type(value), str)(value) for key, value in parameters.items()}
