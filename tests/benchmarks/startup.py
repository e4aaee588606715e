"""How fast things start: the command line against ``import rich``, the package against the libraries it stands on.

Run ``python tests/benchmarks/startup.py``. Each command runs in a process of its own, all of them in turn in every
round, and the least time counts; what Python needs to start is part of every row.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))
from benchmarks.timing import command_seconds, show, text

__all__ = ["main"]

ROUNDS = 7
PAIRS = (
    ("symguide --help", ["-m", "symguide", "--help"], "import rich", 2.0),
    ("symguide solve --help", ["-m", "symguide", "solve", "--help"], "import rich", None),
    ("import symguide", ["-c", "import symguide"], "import sympy, numpy", 1.3),
    ("symguide.solve", ["-c", "import symguide; symguide.solve"], "import sympy, numpy", 1.3),
)
"""What is measured, its arguments to Python, what it is compared with, and the goal for the ratio, if any."""


def main() -> None:
    """Measure all in turn, then compare."""
    commands = {name: arguments for name, arguments, _, _ in PAIRS}
    commands |= {other: ["-c", other] for _, _, other, _ in PAIRS}
    least = dict.fromkeys(commands, float("inf"))
    for _ in range(ROUNDS):
        for name, arguments in commands.items():
            done = command_seconds([sys.executable, *arguments], 60.0)
            if done is None:
                raise RuntimeError(f"{name} did not end within a minute")
            least[name] = min(least[name], done[0])
    rows = [
        (name, text(least[name]), other, text(least[other]), f"{least[name] / least[other]:.2f}", goal or "")
        for name, _, other, goal in PAIRS
    ]
    show("Start-up", ("what", "time", "against", "time", "ratio", "goal"), rows)


if __name__ == "__main__":
    main()
