"""Documents put through ``pdflatex``."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

__all__ = ["needs_pdflatex", "overfull", "typeset"]

needs_pdflatex = pytest.mark.skipif(
    shutil.which("pdflatex") is None, reason="pdflatex is missing: install texlive-latex-recommended"
)


def typeset(source: str, folder: Path) -> str:
    """The log of a document that must compile."""
    (folder / "document.tex").write_text(source, encoding="utf-8")
    command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "document.tex"]
    settings_ = {**os.environ, "max_print_line": "1000"}
    done = subprocess.run(command, cwd=folder, env=settings_, capture_output=True, check=False)
    log_ = (folder / "document.log").read_text(encoding="utf-8", errors="replace")
    assert done.returncode == 0, [line for line in log_.splitlines() if line.startswith("!")]
    return log_


def overfull(log_: str) -> list[str]:
    """Boxes that run off the page by more than a point."""
    return [
        line
        for line in log_.splitlines()
        if (found := re.match(r"Overfull \\hbox \(([\d.]+)pt", line)) and float(found[1]) > 1.0
    ]
