"""What a sweep costs: keeping graphs of contexts from row to row, and sharing the rows among processes.

Run ``python tests/benchmarks/sweep.py``. Grids are the same in every column, and so are the tables that come out, byte
by byte. The first column asks for every row on its own; starting the processes is part of the last one.
"""

import sys
import time
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from tempfile import TemporaryDirectory

sys.path.insert(0, str(Path(__file__).parents[1]))
from benchmarks.timing import show, text

from symguide.answers.answer import answer
from symguide.sweeps.case import Case
from symguide.sweeps.local_processes import LocalProcesses, available_processors
from symguide.sweeps.sweep import sweep

__all__ = ["main"]

STRENGTHS = [Fraction(k) for k in range(1, 17)]
FRACTIONS = [Fraction(1, 2), Fraction(1, 10)]
GRIDS = {"squares-overlap": STRENGTHS, "digits": STRENGTHS, "words": STRENGTHS, "hypercubes-5d": STRENGTHS[:6]}


def seconds(work: Callable[[], object]) -> float:
    begun = time.perf_counter()
    work()
    return time.perf_counter() - begun


def row_by_row(case: Case, strengths: list[Fraction]) -> None:
    for w in strengths:
        for u in FRACTIONS:
            answer(case.load(), [w], [u], top=0)


def main() -> None:
    """Every grid three times."""
    workers = available_processors()
    rows = []
    for name, strengths in GRIDS.items():
        case = Case.of(name)
        with TemporaryDirectory() as folder:
            one, many = Path(folder, "one.csv"), Path(folder, "many.csv")
            apart = seconds(lambda case=case, given=strengths: row_by_row(case, given))
            here = seconds(lambda case=case, given=strengths, out=one: sweep([case], given, FRACTIONS, out=out))
            begun = time.perf_counter()
            with LocalProcesses(workers) as processes:
                sweep([case], strengths, FRACTIONS, out=many, executor=processes)
            shared = time.perf_counter() - begun
            if one.read_bytes() != many.read_bytes():
                raise RuntimeError(f"{name}: the tables differ")
        count = len(strengths) * len(FRACTIONS)
        rows.append((name, count, text(apart), text(here), f"{apart / here:.1f}", text(shared), f"{here / shared:.1f}"))
    processes = f"{workers} processes"
    show("Sweeps", ("problem", "rows", "row by row", "one process", "ratio", processes, "ratio"), rows)


if __name__ == "__main__":
    main()
