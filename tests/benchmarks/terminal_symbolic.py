"""Terminal laws with one symbol per rate, against the parametric reachability of Storm.

Run ``python tests/benchmarks/terminal_symbolic.py``; Storm's rows need ``pip install stormpy`` (2.0). Both start from
the rates: symguide builds the chain and the shared form of every terminal probability, Storm parses the chain as a
PRISM program, builds it over rational functions and checks ``P=? [F s=j]`` for every terminal context. symguide keeps
exit rates as shared quotients, Storm multiplies everything out.
"""

import sys
import tempfile
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from sympy.core.cache import clear_cache

sys.path.insert(0, str(Path(__file__).parents[1]))
from benchmarks.timing import best, show, text

from symguide.chains.chain import Chain
from symguide.chains.family import rate_symbols
from symguide.chains.functionals import terminal_law
from symguide.chains.naming import named
from symguide.symbols import w

__all__ = ["main"]

SIZES = ((3, 2), (2, 3), (3, 3), (6, 3))
STORM_LIMIT = 64
"""Contexts up to which Storm is asked; beyond, it takes hours."""


def law(vocabulary: int, length: int) -> object:
    """What is timed: from nothing to the terminal law."""
    return terminal_law(named(rate_symbols(vocabulary, length), w).chain)


def program(chain: Chain[Any]) -> str:
    """The chain as a PRISM program, one constant for every rate."""
    names: dict[Any, str] = {}
    leaving: dict[int, list[str]] = {}
    for target, reveals in enumerate(chain.incoming):
        for reveal in reveals:
            name = names.setdefault(reveal.rate, f"r{len(names)}")
            leaving.setdefault(reveal.source, []).append(f"{name}:(s'={target})")
    commands = "\n".join(f"[] s={source} -> {' + '.join(ways)};" for source, ways in leaving.items())
    constants = "\n".join(f"const double {name};" for name in names.values())
    return f"ctmc\n{constants}\nmodule chain\ns : [0..{len(chain.states) - 1}] init 0;\n{commands}\nendmodule\n"


def storm(path: str, terminal: tuple[int, ...]) -> None:
    """Reachability of every terminal context as rational functions."""
    import stormpy  # pyright: ignore[reportMissingImports]

    described = stormpy.parse_prism_program(path, prism_compatibility=True)
    properties = stormpy.parse_properties(";".join(f"P=? [F s={j}]" for j in terminal), described)
    model = stormpy.build_model[stormpy.RationalFunction](described, properties)
    for wanted in properties:
        stormpy.model_checking(model, wanted)


def main() -> None:
    """One row per size."""
    rows = []
    for vocabulary, length in SIZES:
        ours = best(lambda size: law(*size), lambda size=(vocabulary, length): (clear_cache(), size)[1], 5)
        chain = rate_symbols(vocabulary, length)
        theirs = None
        if find_spec("stormpy") and len(chain.states) <= STORM_LIMIT:
            with tempfile.TemporaryDirectory() as folder:
                path = Path(folder) / "chain.prism"
                path.write_text(program(chain), encoding="utf-8")
                theirs = best(lambda given: storm(*given), lambda p=path, c=chain: (str(p), c.terminal), 1)
        ratio = "" if theirs is None else f"{theirs / ours:.0f}"
        rows.append(
            (
                f"{length}D N = {vocabulary}",
                len(chain.states),
                text(ours),
                "" if theirs is None else text(theirs),
                ratio,
            )
        )
    show("Terminal laws, one symbol per rate", ("", "contexts", "symguide", "Storm", "ratio"), rows)


if __name__ == "__main__":
    main()
