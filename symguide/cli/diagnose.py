"""``symguide diagnose``: what guidance and a sampler do at the masked positions of a real model."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from symguide.cli.arguments import at_least_one, required_strengths, schedule_of
from symguide.cli.outputs import busy, write_json
from symguide.cli.parameters import DONE, HORIZON, JSON, RULE, W, argument, command, option
from symguide.errors import ClockError, DataError
from symguide.numbers.numeral import read_numeral

if TYPE_CHECKING:
    import numpy as np

    from symguide.flows.diagnosis import Diagnosis

__all__ = ["diagnose_command"]

_SAMPLERS = ("ancestral", "euler", "euler-entrywise", "tau-leaping", "exponential-jump", "joint")


@command(
    "diagnose",
    argument("file", metavar="FILE.npz"),
    W,
    option("--sampler", metavar="NAME", choices=_SAMPLERS, default="ancestral", help="Which sampler  [ancestral]."),
    option("--steps", metavar="K", default="50", help="Steps of a grid uniform in time  [50]."),
    option("--t-end", metavar="T", default="0", help="Where the grid ends  [0]."),
    option("--noise", metavar="NAME[:key=value,...]", default="log-linear", help="Noise schedule  [log-linear]."),
    HORIZON,
    RULE,
    option("--tolerance", metavar="TV", default="0.01", help="When two laws of a position count as different  [0.01]."),
    JSON,
)
def diagnose_command(
    file: str,
    w: Sequence[str],
    sampler: str,
    steps: str,
    t_end: str,
    noise: str,
    horizon: str | None,
    rule: str,
    tolerance: str,
    as_json: bool,
) -> int:
    """What guidance and a sampler do at masked positions of a real model.

    FILE.npz holds log-probabilities of shape (positions, N) named conditional and unconditional. For every strength:
    the totals Z of the intensities, how many positions each step reveals, the strength from which on the sampler
    misbehaves, and the share of positions whose law differs from the exact one by more than the tolerance.
    """
    strengths = required_strengths(w)
    count = at_least_one("--steps", steps, 100_000)
    apart = float(read_numeral(tolerance, "--tolerance", DataError))
    schedule = schedule_of(noise, horizon)
    assert schedule is not None
    from symguide.flows.diagnosis import diagnose
    from symguide.flows.steps import uniform_steps

    grid = uniform_steps(schedule, count, read_numeral(t_end, "--t-end", ClockError))
    conditional, unconditional = _arrays(file)
    with busy(f"diagnosing {file}"):
        found = [diagnose(conditional, unconditional, float(x), grid, sampler, rule, apart) for x in strengths]
    results = [_result(str(x), each) for x, each in zip(strengths, found, strict=True)]
    if as_json:
        shape = {"positions": len(found[0].log_z), "vocabulary": conditional.shape[-1]}
        asked = {"sampler": sampler, "rule": rule, "steps": count, "tolerance": apart}
        write_json(shape | asked | {"results": results})
        return DONE
    from symguide.display.tables import screen

    console = screen()
    for result in results:
        console.print(_sentences(result, count), soft_wrap=True)
    return DONE


def _arrays(file: str) -> tuple[np.ndarray, np.ndarray]:
    import zipfile

    import numpy as np

    try:
        with np.load(file, allow_pickle=False) as archive:
            missing = [name for name in ("conditional", "unconditional") if name not in archive]
            if missing:
                raise DataError(f"{file}: it has no array {missing[0]!r}; save conditional and unconditional")
            return archive["conditional"], archive["unconditional"]
    except (OSError, ValueError, TypeError, zipfile.BadZipFile, EOFError) as error:
        reason = getattr(error, "strerror", None) or "it is no archive of arrays"
        raise DataError(f"{file}: {reason}, so there is nothing to diagnose; save one with numpy.savez") from None


def _result(w: str, found: Diagnosis) -> dict[str, Any]:
    import numpy as np

    def quantiles(values: np.ndarray) -> dict[str, float | None]:
        levels = {"least": 0.0, "median": 0.5, "largest": 1.0}
        # "lower": a quantile between a number and infinity would be neither.
        read = {name: float(np.quantile(values, level, method="lower")) for name, level in levels.items()}
        return {name: value if np.isfinite(value) else None for name, value in read.items()}

    return {
        "w": w,
        "log_z": quantiles(found.log_z),
        "reveals": found.reveals.tolist(),
        "exact_reveals": found.exact_reveals.tolist(),
        "mean_tv": found.apart.tolist(),
        "share": found.share.tolist(),
        "threshold": quantiles(found.threshold) | {"step": found.watched},
    }


def _sentences(result: dict[str, Any], count: int) -> str:
    import numpy as np

    z, at, worst = result["log_z"], result["threshold"], int(np.argmax(result["share"]))
    places = sorted({0, count // 2, count - 1})
    lines = [
        f"w = {result['w']}: ln Z from {z['least']:.4g} to {z['largest']:.4g}, median {z['median']:.4g}",
        "  reveals per step, exact in brackets: "
        + ", ".join(f"step {k} {result['reveals'][k]:.4g} ({result['exact_reveals'][k]:.4g})" for k in places),
        f"  at most {result['share'][worst]:.1%} of the positions off by more than the tolerance, in step {worst}",
    ]
    if at["least"] is not None:
        median = "none" if at["median"] is None else f"{at['median']:.4g}"
        lines.append(f"  threshold in w at step {at['step']}: least {at['least']:.4g}, median {median}")
    return "\n".join(lines)
