"""What the benchmarks share: repeated timings and a table of them."""

import subprocess
import time
from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeVar

from rich.console import Console
from rich.table import Table

__all__ = ["best", "command_seconds", "show", "text"]

T = TypeVar("T")


def best(work: Callable[[T], object], prepare: Callable[[], T], repeats: int = 5) -> float:
    """The least time, in seconds, that some work takes, each time on freshly prepared material (not timed)."""
    times = []
    for _ in range(repeats):
        material = prepare()
        begun = time.perf_counter()
        work(material)
        times.append(time.perf_counter() - begun)
    return min(times)


def command_seconds(command: Sequence[str], limit: float) -> tuple[float, str] | None:
    """How long a command runs and what it prints; ``None`` past the limit.

    Raises
    ------
    RuntimeError
        If the command fails.
    """
    begun = time.perf_counter()
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=limit, stdin=subprocess.DEVNULL)
    except subprocess.TimeoutExpired:
        return None
    spent = time.perf_counter() - begun
    if done.returncode:
        raise RuntimeError(f"{command[0]} failed: {done.stderr.strip() or done.stdout.strip()}")
    return spent, done.stdout


def text(seconds: float | None, limit: float = 0.0) -> str:
    """A time in readable units; past the limit if it is not known."""
    if seconds is None:
        return f"> {limit:g} s"
    return f"{seconds:.3g} s" if seconds >= 1 else f"{seconds * 1e3:.3g} ms"


def show(title: str, headings: Iterable[str], rows: Iterable[Iterable[Any]], caption: str = "") -> None:
    """Print a table, numbers to the right."""
    table = Table(*headings, title=title, caption=caption, title_justify="left", caption_justify="left")
    for column in table.columns[1:]:
        column.justify = "right"
    for row in rows:
        table.add_row(*map(str, row))
    Console(width=120).print(table)
