"""Samplers a second time, from joint tables and their published rules: by enumeration, and by plain simulation.

Nothing of the package is used. ``enumerate_step`` writes a one-step law down as the rule says it, in fractions or
floats, and multiplies over positions in dictionaries. ``simulate`` draws as the public code does: Poisson numbers of
jumps that are rejected, a softmax over tokens and mask, a proposal that is accepted, times of reveals.
"""

from collections.abc import Sequence
from fractions import Fraction
from itertools import pairwise, product
from math import exp
from typing import Any

import numpy as np
from laws.second_route import conditional
from strategies import Instance

__all__ = ["PlainStep", "enumerate_law", "simulate"]

Context = tuple[int | None, ...]
PlainStep = tuple[Any, Any, Any, Any]
"""``t``, ``h β``, ``u'/u`` and ``u'``."""


def laws_at(instance: Instance, context: Context, position: int) -> tuple[dict[int, Any], dict[int, Any]]:
    """``p_c`` and ``p_u`` of a masked position; empty off the support."""
    return conditional(instance.conditional, context, position), conditional(instance.unconditional, context, position)


def raw(instance: Instance, context: Context, position: int, w: Any) -> dict[int, Any]:
    """``q(v) = p_c^{1+w} p_u^{−w}``."""
    given, free = laws_at(instance, context, position)
    return {v: p * (p / free[v]) ** w for v, p in given.items()}


def one_step(
    sampler: str, rule: str, q: dict[int, Any], free: dict[int, Any], step: PlainStep
) -> tuple[dict[int, Any], Any]:
    """The law of a masked position after a step: tokens, and the mask."""
    _, pace, survival, _ = step
    z = sum(q.values())
    r = {v: value / z for v, value in q.items()} if rule == "normalised" else q
    whole = sum(r.values())
    match sampler:
        case "ancestral":
            stay = survival**whole if survival else 0
            shown = {v: (1 - stay) * value / whole for v, value in r.items()}
        case "euler":
            shown = {v: pace * value if pace * whole <= 1 else value / whole for v, value in r.items()}
        case "euler-entrywise":
            clamped = {v: min(Fraction(1), pace * value) for v, value in r.items()}
            shown = {v: value / max(Fraction(1), sum(clamped.values())) for v, value in clamped.items()}
        case "tau-leaping":
            shown = {v: float(pace * value) * exp(-float(pace * whole)) for v, value in r.items()}
        case "exponential-jump":
            shown = {v: float(free[v]) * (1 - exp(-float(pace * value / free[v]))) for v, value in r.items()}
        case "joint":
            masses = {v: (1 - survival) * value for v, value in r.items()}
            shown = {v: value / (survival + sum(masses.values())) for v, value in masses.items()}
        case _:
            raise AssertionError(sampler)
    return shown, 1 - sum(shown.values())


def enumerate_step(
    instance: Instance, sampler: str, rule: str, w: Any, law: dict[Context, Any], step: PlainStep, count: int
) -> dict[Context, Any]:
    """The law after a step."""
    after: dict[Context, Any] = {}
    for context, mass in law.items():
        masked = [i for i, token in enumerate(context) if token is None]
        if not masked or not laws_at(instance, context, masked[0])[0]:
            after[context] = after.get(context, 0) + mass
            continue
        options: list[list[tuple[int | None, Any]]] = [[(token, 1)] for token in context]
        for i in masked:
            q = raw(instance, context, i, w)
            if sampler == "confidence":
                options[i] = [(v, value / sum(q.values())) for v, value in q.items()]
            else:
                shown, stay = one_step(sampler, rule, q, laws_at(instance, context, i)[1], step)
                options[i] = [*shown.items(), (None, stay)]
        for chosen in product(*options):
            target = tuple(token for token, _ in chosen)
            if sampler == "confidence":
                best = sorted(masked, key=lambda i: (-chosen[i][1], i))[:count]
                target = tuple(token if i in best else context[i] for i, (token, _) in enumerate(chosen))
            chance: Any = mass
            for _, factor in chosen:
                chance = chance * factor
            after[target] = after.get(target, 0) + chance
    return after


def enumerate_law(
    instance: Instance, sampler: str, rule: str, w: Any, steps: Sequence[PlainStep]
) -> dict[Context, Any]:
    """The law after all steps, from all masks."""
    length, law = instance.length, {(None,) * instance.length: 1}
    for j, step in enumerate(steps):
        count = length // len(steps) + (j < length % len(steps))
        law = enumerate_step(instance, sampler, rule, w, law, step, count)
    return {context: mass for context, mass in law.items() if mass != 0}


def simulate(
    instance: Instance,
    sampler: str,
    rule: str,
    w: float,
    steps: Sequence[PlainStep],
    size: int,
    rng: np.random.Generator,
) -> dict[Context, int]:
    """How often each context comes out of runs of a sampler."""
    if sampler == "first-hitting":
        return first_hitting(instance, rule, w, float(steps[-1][3]), size, rng)
    length = instance.length
    runs: dict[Context, int] = {(None,) * length: size}
    for j, step in enumerate(steps):
        count = length // len(steps) + (j < length % len(steps))
        after: dict[Context, int] = {}
        for context, number in runs.items():
            for target, times in _moved(instance, sampler, rule, w, context, number, step, count, rng).items():
                after[target] = after.get(target, 0) + times
        runs = after
    return runs


def _moved(
    instance: Instance,
    sampler: str,
    rule: str,
    w: float,
    context: Context,
    number: int,
    step: PlainStep,
    count: int,
    rng: np.random.Generator,
) -> dict[Context, int]:
    masked = [i for i, token in enumerate(context) if token is None]
    if not masked or not laws_at(instance, context, masked[0])[0]:
        return {context: number}
    drawn = np.tile([-1 if token is None else token for token in context], (number, 1))
    confidence = np.full((number, instance.length), -np.inf)
    for i in masked:
        given, free = laws_at(instance, context, i)
        tokens = np.array(list(given))
        p, u = (np.array([float(law[v]) for v in given]) for law in (given, free))
        q = p ** (1 + w) * u ** (-w)
        r = q / q.sum() if rule == "normalised" else q
        if rule == "normalised":  # guided and normalised over tokens first, so nothing is left to guide
            p = u = r
        drawn[:, i], confidence[:, i] = _drawn(sampler, tokens, p, u, r, w, step, number, rng, free)
    if sampler == "confidence":
        best = np.argsort(-confidence.round(12), axis=1, kind="stable")[:, :count]
        kept = np.zeros(drawn.shape, dtype=bool)
        np.put_along_axis(kept, best, True, axis=1)
        drawn[~kept & np.isfinite(confidence)] = -1
    rows, times = np.unique(drawn, axis=0, return_counts=True)
    return {tuple(None if v < 0 else v for v in row): n for row, n in zip(rows.tolist(), times.tolist(), strict=True)}


def _drawn(
    sampler: str,
    tokens: np.ndarray,
    p: np.ndarray,
    u: np.ndarray,
    r: np.ndarray,
    w: float,
    step: PlainStep,
    number: int,
    rng: np.random.Generator,
    free: dict[int, Any],
) -> tuple[np.ndarray, np.ndarray]:
    """What one position shows in so many runs, −1 for the mask, and the probability of what it drew."""
    _, pace, survival, _ = (float(value) for value in step)
    with_mask = np.append(tokens, -1)
    nothing = np.zeros(number)
    match sampler:
        case "ancestral":
            # Where the hazard is not constant the raw rule waits an exponential time; normalised, a posterior is drawn.
            if r.sum() != 1 and abs(r.sum() - 1) > 1e-12:
                waits = rng.exponential(1 / r.sum(), number)
                jumps = waits < (np.inf if survival == 0 else -np.log(survival))
                return np.where(jumps, rng.choice(tokens, number, p=r / r.sum()), -1), nothing
            return rng.choice(with_mask, number, p=np.append(r * (1 - survival), survival)), nothing
        case "euler":
            jump = min(1.0, pace * r.sum())
            return np.where(rng.random(number) < jump, rng.choice(tokens, number, p=r / r.sum()), -1), nothing
        case "euler-entrywise":
            entries = np.clip(pace * r, 0, 1)
            entries = np.append(entries, max(0.0, 1 - entries.sum()))
            return rng.choice(with_mask, number, p=entries / entries.sum()), nothing
        case "tau-leaping":
            jumps = rng.poisson(pace * r, (number, len(r)))
            jumps[jumps.sum(axis=1) > 1] = 0
            return np.where(jumps.any(axis=1), tokens[jumps.argmax(axis=1)], -1), nothing
        case "exponential-jump":
            proposals = np.array(list(free))
            which = rng.choice(len(proposals), number, p=[float(value) for value in free.values()])
            intensity = np.array(
                [pace * r[list(tokens).index(v)] / float(free[v]) if v in tokens else 0 for v in proposals]
            )
            accepted = rng.random(number) < -np.expm1(-intensity[which])
            return np.where(accepted, proposals[which], -1), nothing
        case "joint":
            with np.errstate(divide="ignore", invalid="ignore"):
                guided, unguided = (np.log(np.append(law * (1 - survival), survival)) for law in (p, u))
                logits = (1 + w) * guided - w * unguided
            weights = np.exp(np.nan_to_num(logits, nan=-np.inf) - np.nanmax(logits))
            return rng.choice(with_mask, number, p=weights / weights.sum()), nothing
        case "confidence":
            which = rng.choice(len(tokens), number, p=r / r.sum())
            return tokens[which], (r / r.sum())[which]
    raise AssertionError(sampler)


def first_hitting(
    instance: Instance, rule: str, w: float, until: float, size: int, rng: np.random.Generator
) -> dict[Context, int]:
    """``u ← u U^{1/n}``, a uniform position; raw, ``u ← u U^{1/ΣZ}`` and a position in proportion to ``Z_i``."""
    found: dict[Context, int] = {}
    known: dict[Context, list[tuple[int, list[int], np.ndarray]]] = {}
    for _ in range(size):
        context, u = (None,) * instance.length, 1.0
        while None in context:
            if context not in known:
                known[context] = [
                    (i, list(q), np.array([float(value) for value in q.values()]))
                    for i in range(instance.length)
                    if context[i] is None
                    for q in [raw(instance, context, i, w)]
                ]
            menus = known[context]
            paces = np.array([1.0 if rule == "normalised" else q.sum() for *_, q in menus])
            u *= rng.random() ** (1 / paces.sum())
            if u < until:
                break
            i, tokens, q = menus[int(np.searchsorted(np.cumsum(paces / paces.sum()), rng.random()))]
            v = tokens[int(np.searchsorted(np.cumsum(q / q.sum()), rng.random()))]
            context = (*context[:i], v, *context[i + 1 :])
        found[context] = found.get(context, 0) + 1
    return found


def plain_steps(times: Sequence[Fraction]) -> list[PlainStep]:
    """The steps of the log-linear schedule: hazard ``1/t``, ``u = t``."""
    pairs = pairwise(times)
    return [(before, (before - after) / before, after / before, after) for before, after in pairs]
