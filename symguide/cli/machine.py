"""Answers, evidence and proofs for machines: the shapes of the JSON."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from symguide.answers.answer import Answer, Quantity, Result
    from symguide.asymptotics.regime import Regime
    from symguide.evidence import Evidence
    from symguide.laws.composition import Composition
    from symguide.laws.law import Context
    from symguide.numbers.number import Number
    from symguide.proofs.derivation import Outcome, Proof
    from symguide.schedules.guidance_schedule import GuidanceSchedule

__all__ = [
    "answer_document",
    "evidence_document",
    "law_document",
    "proof_document",
    "quantity_document",
    "regime_document",
    "strength_document",
]


def quantity_document(quantity: Quantity | None) -> dict[str, Any] | None:
    """``Q``: the double and the exact form. A value beyond the doubles has no double."""
    if quantity is None:
        return None
    return {"value": _finite(quantity.value), "exact": None if quantity.exact is None else str(quantity.exact)}


def _finite(value: float | None) -> float | None:
    """JSON has no infinities."""
    return value if value is not None and abs(value) < float("inf") else None


def law_document(law: Mapping[Context, Quantity], top: int | None = None) -> list[dict[str, Any]]:
    """A law in its own order, or the ``top`` most probable entries of it in that order (of equals the first)."""
    kept: Collection[Context] = law
    if top is not None:
        from symguide.display.answers import most_probable

        kept = set(most_probable(law, top))
    return [{"tokens": list(x), "probability": quantity_document(q)} for x, q in law.items() if x in kept]


def strength_document(w: Number | GuidanceSchedule | Composition) -> dict[str, Any]:
    """A strength; for a guidance schedule or several conditions ``w`` is null, and these stand beside it."""
    from symguide.laws.composition import Composition
    from symguide.schedules.guidance_schedule import GuidanceSchedule

    if isinstance(w, GuidanceSchedule):
        return {"w": None, "guidance_schedule": str(w)}
    if isinstance(w, Composition):
        return {"w": None, "conditions": {name: str(strength) for name, strength in w.conditions}}
    return {"w": str(w)}


def _result(result: Result, time: Number | None, top: int | None) -> dict[str, Any]:
    document = strength_document(result.w)
    document |= {
        "u": None if result.u is None else str(result.u),
        "t": None if time is None else str(time),
        "tv": quantity_document(result.tv),
        "log_tv": _finite(result.log_tv),
        "log_minus_log_tv": _finite(result.log_minus_log_tv),
        "terminal": law_document(result.terminal, top),
    }
    if result.states is not None:
        document["states"] = law_document(result.states)
    document["functionals"] = {name: quantity_document(value) for name, value in result.functionals.items()}
    if result.dead is not None and result.dead.value > 0:
        document["dead"] = quantity_document(result.dead)
    return document


def answer_document(answer: Answer, times: Sequence[Number], top: int | None) -> dict[str, Any]:
    """``solve --json``."""
    moments = list(times) or [None]
    return {
        "target": answer.problem.target,
        "rule": answer.rule,
        "path": answer.path,
        "notes": list(answer.notes),
        "results": [_result(r, moments[j % len(moments)], top) for j, r in enumerate(answer.results)],
    }


def evidence_document(evidence: Sequence[Evidence]) -> list[dict[str, str]]:
    return [{"check": item.check, "verdict": str(item.verdict), "detail": item.detail} for item in evidence]


def proof_document(proof: Proof) -> dict[str, Any]:
    """A proof for machines."""

    def outcome(given: Outcome) -> dict[str, Any]:
        shown: dict[str, Any] = {"name": given.name, "verdict": None if given.not_run else str(given.verdict)}
        if given.not_run:
            return shown | {"not_run": given.not_run}
        return shown | {"evidence": evidence_document(given.evidence)}

    return {
        "name": proof.derivation.name,
        "title": proof.derivation.title,
        "verdict": str(proof.verdict),
        "steps": list(map(outcome, proof.steps)),
        "instances": list(map(outcome, proof.instances)),
    }


def regime_document(found: Regime) -> dict[str, Any]:
    """``regime --json``."""
    from symguide.answers.results import Quantity
    from symguide.asymptotics.regime import Kind

    def exact(value: Number) -> dict[str, Any] | None:
        return quantity_document(Quantity.of(value))

    given = found.witness
    if found.kind is Kind.DOUBLE:
        witness: dict[str, Any] = {
            "state": list(given.context),
            "exit_base": exact(given.base),
            "coefficient": exact(given.coefficient),
        }
    elif found.kind is Kind.SINGLE:
        witness = {
            "neutral": list(given.context),
            "path": list(map(list, given.path)),
            "base": exact(given.base),
            "coefficient": exact(given.coefficient),
        }
    else:
        witness = {"neutral": [{"state": list(state), "probability": exact(p)} for state, p in given.neutral]}
    return {
        "regime": str(found.kind),
        "base": None if found.base is None else exact(found.base),
        "limit_tv": None if found.limit_tv is None else str(found.limit_tv),
        "witness": witness,
        "evidence": str(found.evidence.verdict),
    }
