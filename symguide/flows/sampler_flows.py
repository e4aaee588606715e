"""Samplers as flows: the kernels of all steps of a sampler on one list of contexts, and what happens after the last."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from fractions import Fraction
from math import inf, log
from typing import Any, TypeVar

import numpy as np
from sympy import log as symbolic_log

from symguide.chains.array_chain import array_chain
from symguide.chains.chain import guided_chain
from symguide.chains.lattice import lattice
from symguide.errors import ChainTooLargeError, InfiniteRatioError, SymguideError
from symguide.flows.confidence import confidence_kernel, reveal_counts
from symguide.flows.flow import Flow, Kernel, Part, Segment
from symguide.flows.samplers import FINALS, SAMPLERS, argmax, step_kernel
from symguide.flows.steps import Step
from symguide.flows.support_updates import SupportUpdates, support_updates
from symguide.flows.updates import Menus, Updates, parallel_updates
from symguide.laws.law import Context, TableLaw
from symguide.laws.mixture import Problem
from symguide.laws.strength import read_strength
from symguide.laws.tilt import Tilt, guidance
from symguide.numbers.arithmetic import FLOATS, SYMBOLIC, Arithmetic
from symguide.numbers.number import Number, to_sympy

__all__ = ["exact_segment", "final_kernel", "graph_at", "sampler_flow", "tilt_at", "value_of"]


G = TypeVar("G")


def sampler_flow(
    problem: Problem,
    sampler: str,
    w: object | Sequence[object],
    steps: Sequence[Step],
    arithmetic: Arithmetic = FLOATS,
    rule: str | None = None,
    final: str | None = None,
) -> Flow:
    """The flow of a sampler: a part for every step, and one for what happens to masks at the end.

    Parameters
    ----------
    problem
        The conditional and unconditional law.
    sampler
        A key of :data:`symguide.flows.samplers.SAMPLERS`. ``first-hitting`` draws the times of reveals exactly, so its
        parts are exact time, and the grid only says when its law is read.
    w
        Guidance strength, or one for every step.
    steps
        As :func:`symguide.flows.steps.uniform_steps` makes them.
    arithmetic
        What probabilities are.
    rule
        The guidance rule; that of the sampler by default.
    final
        A key of :data:`symguide.flows.samplers.FINALS`, if masks are to be shown after the last step.

    Raises
    ------
    SymguideError
        For unknown names, no steps, and strengths that are not one for every step.
    StrengthError
        For ``w < −1``.
    ClockError
        Where rates are frozen at an infinite hazard.
    NotExactError
        For rational arithmetic where probabilities are irrational.
    ChainTooLargeError
        When there are too many moves to list.

    >>> from symguide.numbers.arithmetic import RATIONAL
    >>> from symguide.instances.datasets import load
    >>> from symguide.flows.flow import run
    >>> from symguide.schedules.published import log_linear
    >>> from symguide.flows.steps import uniform_steps
    >>> law = run(sampler_flow(load("xor"), "ancestral", 1, uniform_steps(log_linear(), 2), RATIONAL))
    >>> law[0, 0], law[0, 1]
    (Fraction(3, 8), Fraction(1, 8))
    """
    kind = SAMPLERS.get(sampler)
    if kind is None:
        raise SymguideError(
            f"sampler {sampler!r} is unknown, so there are no steps; choose one of {', '.join(SAMPLERS)}"
        )
    if not steps:
        raise SymguideError(f"sampler {sampler!r}: there are no steps, so nothing happens; give at least one")
    strengths = _strengths(w, len(steps))
    tilt = guidance(problem, rule or kind.rule)
    if sampler == "first-hitting":
        parts: list[Part] = [
            exact_segment(tilt, strength, step.survival, arithmetic)
            for strength, step in zip(strengths, steps, strict=True)
        ]
    else:
        parts = list(_kernels(problem, tilt, sampler, strengths, steps, arithmetic))
    if final is not None:
        parts.append(final_kernel(problem, tilt, final, strengths[-1], Flow(tuple(parts)).states, arithmetic))
    return Flow(tuple(parts))


def exact_segment(tilt: Tilt, w: Number, survival: Number, arithmetic: Arithmetic) -> Segment:
    """Exact time in which an unguided mask stays with probability ``u'/u``; all time that is left if that is 0.

    Parameters
    ----------
    tilt
        The guidance.
    w
        Guidance strength.
    survival
        ``u'/u``.
    arithmetic
        What probabilities are; doubles come as arrays.

    Raises
    ------
    NotExactError
        For rational arithmetic, where ``u'`` is not 0.

    >>> from symguide.instances.datasets import load
    >>> from symguide.flows.flow import run
    >>> from symguide.symbols import u
    >>> law = run(Flow((exact_segment(guidance(load("interval-overlap")), Fraction(1), u, SYMBOLIC),)))
    >>> law[(None,)]
    u**(5/3)
    """
    if arithmetic is FLOATS:
        length = inf if survival == 0 else -log(survival)
        if _is_listed(tilt):
            return Segment(graph_at(tilt, w, lattice).at(float(w)), length)
        return Segment(array_chain(graph_at(tilt, w, guided_chain).over(FLOATS, float(w))), length)
    chain = graph_at(tilt, w, guided_chain).over(arithmetic, value_of(w, arithmetic))
    if survival == 0:
        return Segment(chain, inf)
    if arithmetic is SYMBOLIC:
        return Segment(chain, -symbolic_log(to_sympy(survival)))
    return Segment(chain, -arithmetic.log(arithmetic.number(survival)))


def final_kernel(
    problem: Problem, tilt: Tilt, final: str, w: Number, starts: Sequence[Context], arithmetic: Arithmetic
) -> Part:
    """What happens to masks after the last step: all are shown at once, given the context.

    Contexts off the support, where no conditional laws exist, keep their masks.

    Parameters
    ----------
    problem, tilt
        The laws, and the guidance.
    final
        A key of :data:`symguide.flows.samplers.FINALS`.
    w
        Guidance strength.
    starts
        The contexts that may come.
    arithmetic
        What probabilities are.

    Raises
    ------
    SymguideError
        For an unknown name.

    >>> from symguide.numbers.arithmetic import RATIONAL
    >>> from symguide.instances.datasets import load
    >>> problem = load("interval-overlap")
    >>> step = final_kernel(problem, guidance(problem), "unguided", Fraction(3), [(None,)], RATIONAL)
    >>> step.push(np.array([Fraction(j == 0) for j in range(len(step.states))]))[1]
    Fraction(1, 6)
    """
    if final not in FINALS:
        raise SymguideError(f"final step {final!r} is unknown, so masks would stay; choose one of {', '.join(FINALS)}")
    strength = Fraction(0) if final == "unguided" else w
    updates: Updates | SupportUpdates
    try:
        updates = graph_at(tilt, strength, lambda active: parallel_updates(active, starts))
    except ChainTooLargeError:
        if arithmetic is not FLOATS or not _is_listed(tilt):
            raise
        updates = graph_at(tilt, strength, support_updates)
    menus = updates.menus(arithmetic, value_of(strength, arithmetic))
    shown = argmax(updates, strength, arithmetic) if final == "argmax" else menus.shares
    return updates.kernel(shown, menus.paces * arithmetic.number(Fraction(0)), arithmetic)


def tilt_at(tilt: Tilt, w: Number) -> Tilt:
    """The tilt with the laws of exponent 0 switched off, at the strengths where there are any.

    >>> from symguide.instances.datasets import load
    >>> tilt_at(guidance(load("xor")), Fraction(0)).is_symbolic, tilt_at(guidance(load("xor")), Fraction(1)).is_symbolic
    (False, True)
    """
    return tilt.at(Fraction(int(w))) if w in (-1, 0) else tilt


def graph_at(tilt: Tilt, w: Number, build: Callable[[Tilt], G]) -> G:
    """A graph of contexts that holds at one strength: that of all strengths where there is one.

    Pairs of laws that exclude one another's tokens have none for all ``w``.

    >>> from symguide.instances.datasets import load
    >>> graph_at(guidance(load("xor")), Fraction(1), guided_chain).length
    2
    """
    try:
        return build(tilt_at(tilt, w))
    except InfiniteRatioError:
        return build(tilt.at(w))


def value_of(w: Number, arithmetic: Arithmetic) -> Any:
    """A strength as an arithmetic takes it.

    >>> value_of(Fraction(1, 2), FLOATS), value_of(Fraction(1, 2), SYMBOLIC)
    (0.5, 1/2)
    """
    if arithmetic is FLOATS:
        return float(w)
    return to_sympy(w) if arithmetic is SYMBOLIC else w


def _is_listed(tilt: Tilt) -> bool:
    """Whether every law lists its support."""
    return all(isinstance(law, TableLaw) for law, _ in tilt.factors)


def _strengths(w: object | Sequence[object], count: int) -> list[Number]:
    if isinstance(w, list | tuple | np.ndarray):
        if len(w) != count:
            raise SymguideError(f"w lists {len(w)} strengths for {count} steps; give one, or one for every step")
        return [read_strength(strength) for strength in w]
    return [read_strength(w)] * count


def _kernels(
    problem: Problem,
    tilt: Tilt,
    sampler: str,
    strengths: Sequence[Number],
    steps: Sequence[Step],
    arithmetic: Arithmetic,
) -> list[Part]:
    """One kernel for every step; steps with one strength share contexts and rates."""
    graphs: Mapping[Number, Updates | SupportUpdates]
    try:
        graphs = _graphs(tilt, strengths)
    except ChainTooLargeError:
        if arithmetic is not FLOATS or sampler == "confidence" or not _is_listed(tilt):
            raise
        graphs = _support_graphs(tilt, strengths)
    menus: dict[Number, Menus] = {}
    proposals: dict[int, np.ndarray] = {}
    kept: dict[tuple[Number, int], Kernel] = {}
    counts = reveal_counts(tilt.grid[1], len(steps))
    kernels: list[Part] = []
    for w, step, count in zip(strengths, steps, counts, strict=True):
        updates = graphs[w]
        if w not in menus:
            menus[w] = updates.menus(arithmetic, value_of(w, arithmetic))
        if isinstance(updates, Updates) and sampler == "confidence":
            if (w, count) not in kept:
                kept[w, count] = confidence_kernel(updates, menus[w], updates.ranks(w), count)
            kernels.append(kept[w, count])
            continue
        offered = None
        if sampler == "exponential-jump":
            if id(updates) not in proposals:
                proposals[id(updates)] = updates.chances_under(problem.unconditional, arithmetic)
            offered = proposals[id(updates)]
        kernels.append(step_kernel(sampler, updates, menus[w], step, offered))
    return kernels


def _graphs(tilt: Tilt, strengths: Sequence[Number]) -> dict[Number, Updates]:
    """The contexts at every strength, closed under what other strengths reach: one graph wherever one will do."""
    distinct = list(dict.fromkeys(strengths))
    graphs: dict[Number, Updates] = {}
    if any(w != -1 for w in distinct):
        with suppress(InfiniteRatioError):
            general = parallel_updates(tilt)
            graphs = {w: general for w in distinct if w != -1}
    known = list(dict.fromkeys(context for graph in graphs.values() for context in graph.states))
    for w in distinct:
        if w not in graphs:
            graphs[w] = parallel_updates(tilt.at(w), [(None,) * tilt.grid[1], *known])
            known = list(dict.fromkeys([*known, *graphs[w].states]))
    # What a later strength reaches may be new to an earlier one, should that come again.
    while any(not set(known) <= set(graph.states) for graph in graphs.values()):
        for w, graph in list(graphs.items()):
            graphs[w] = parallel_updates(graph.tilt, known)
            known = list(dict.fromkeys([*known, *graphs[w].states]))
    return graphs


def _support_graphs(tilt: Tilt, strengths: Sequence[Number]) -> dict[Number, SupportUpdates]:
    """The contexts on the support at every strength: one graph wherever one will do."""
    graphs: dict[Number, SupportUpdates] = {}
    general: SupportUpdates | None = None
    for w in dict.fromkeys(strengths):
        if tilt_at(tilt, w) is not tilt:
            graphs[w] = graph_at(tilt, w, support_updates)
            continue
        with suppress(InfiniteRatioError):
            general = general or support_updates(tilt)
        graphs[w] = general or support_updates(tilt.at(w))
    return graphs
