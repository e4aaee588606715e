"""Lumped hypercubes: time against the number of positions ``D``, fitted on log-log axes.

Run ``python tests/benchmarks/lumps.py``. *Chain*: the exact chain on ``2D + 1`` lumps, with open ``w``. *TV*: its rates
at ``w = 3``, mean last reveal and TV at ``u = 1/(2D)``. *Law*: the terminal law of all ``D + 1`` histograms of tokens.
"""

import sys
from math import log
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))
from benchmarks.timing import best, show, text

from symguide.chains.array_chain import array_chain
from symguide.chains.chain import Chain
from symguide.chains.functionals import last_reveal
from symguide.chains.histograms import histogram_lattice
from symguide.chains.lump import Lumping, lump, lumped_chain
from symguide.chains.trajectory import survival
from symguide.instances.datasets import load
from symguide.laws.tilt import guidance
from symguide.numbers.arithmetic import FLOATS

__all__ = ["main"]

POSITIONS = (50, 100, 200, 400, 800, 1600)


def tv(chain: Chain) -> float:
    """TV at ``u = 1/(2D)`` and the mean last reveal of a lumped chain."""
    arrays = array_chain(chain.over(FLOATS, 3.0))
    return survival(arrays, log(2 * chain.length)).value + float(last_reveal(arrays).mean)


def law(lumping: Lumping) -> np.ndarray:
    """The terminal law of histograms."""
    return histogram_lattice(lumping, guidance(lumping.problem)).at(3.0).jump_law()


def main() -> None:
    """One row per ``D``, and the exponents of all three."""
    rows, times = [], []
    for length in POSITIONS:
        lumping = lump(load(f"hypercubes:D={length}"))
        assert lumping is not None
        tilt = guidance(lumping.problem)
        chain = lumped_chain(lumping, tilt)
        measured = (
            best(lambda given: lumped_chain(*given), lambda given=(lumping, tilt): given, 3),
            best(tv, lambda chain=chain: chain, 3),
            best(law, lambda lumping=lumping: lumping, 2),
        )
        times.append(measured)
        rows.append((length, len(chain.states), *map(text, measured)))
    slopes = np.polyfit(np.log(POSITIONS), np.log(np.array(times)), 1)[0]
    powers = ", ".join(f"{name} D^{slope:.2f}" for name, slope in zip(("chain", "TV", "law"), slopes, strict=True))
    show("Lumped hypercubes", ("D", "lumps", "chain", "TV", "law"), rows, f"growth: {powers}")


if __name__ == "__main__":
    main()
