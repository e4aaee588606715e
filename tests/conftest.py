"""What every test shares: global precision is left as it was found, searches repeat exactly, no window opens."""

import os
from collections.abc import Iterator
from typing import Any

import flint
import hypothesis
import mpmath
import numpy as np
import pytest

os.environ["MPLBACKEND"] = "Agg"  # for this process, and for the commands and notebooks that tests start

hypothesis.settings.register_profile("symguide", deadline=None, derandomize=True, print_blob=True)
hypothesis.settings.load_profile("symguide")


def _global_numerics() -> dict[str, Any]:
    return {
        "mp.prec": mpmath.mp.prec,
        "iv.prec": mpmath.iv.prec,
        "flint.ctx.prec": flint.ctx.prec,
        "numpy.geterr()": np.geterr(),
    }


class NumericsUnchanged:
    """Fails whatever leaves a global precision, or NumPy's handling of overflow and the like, other than it was."""

    @pytest.fixture(autouse=True)
    def numerics_unchanged(self) -> Iterator[None]:
        before = _global_numerics()
        yield
        changed = {name: value for name, value in _global_numerics().items() if value != before[name]}
        mpmath.mp.prec, mpmath.iv.prec, flint.ctx.prec = before["mp.prec"], before["iv.prec"], before["flint.ctx.prec"]
        np.seterr(**before["numpy.geterr()"])
        assert not changed, f"changed and not restored: {changed}; before: {before}"


def pytest_configure(config: pytest.Config) -> None:
    # A fixture of this file would reach only the tests beside it; that of a plugin reaches the package's doctests too.
    config.pluginmanager.register(NumericsUnchanged(), "numerics-unchanged")
