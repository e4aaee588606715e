"""``symguide choose`` as scripts and people meet it."""

import json
from fractions import Fraction

import pytest

from symguide.cli import main

BASE = ("choose", "squares-overlap", "--windows", "2", "--starts", "2")


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    status = main(list(arguments))
    out, err = capsys.readouterr()
    return status, out, err


def test_document_of_a_tilted_law(capsys: pytest.CaptureFixture[str]) -> None:
    status, out, _ = run(capsys, *BASE, "--tilted", "1", "--json")
    assert status == 0
    found = json.loads(out)
    assert found["goal"] == {"tilted": "1"}
    assert (found["target"], found["rule"], found["distance"]) == ("high", "rate", "kl")
    assert found["value"]["low"] <= found["value"]["value"] <= found["value"]["high"] < 1e-12
    assert [Fraction(part["high"]) for part in found["windows"]] == [1, Fraction(1, 2)]
    assert [Fraction(part["low"]) for part in found["windows"]] == [Fraction(1, 2), 0]
    assert found["reached"] is None
    assert found["constant"]["value"] > 2e-3
    assert [item["verdict"] for item in found["evidence"]] == ["enclosed", "agrees numerically", "enclosed"]
    # What is chosen can be handed on: the schedule is a specification.
    status, out, _ = run(
        capsys, "solve", "squares-overlap", "--guidance-schedule", found["guidance_schedule"], "--json", "--float"
    )
    assert status == 0
    law = {tuple(item["tokens"]): item["probability"]["value"] for item in json.loads(out)["results"][0]["terminal"]}
    # The tilted law of w = 1: 1/9 · (1/9)/(1/18) where the classes do not meet, 1/9 on the corner that they share.
    weights = {(a, b): 1 if (a, b) == (2, 2) else 2 for a in (2, 3, 4) for b in (2, 3, 4)}
    assert law == pytest.approx({x: weight / 17 for x, weight in weights.items()}, rel=1e-6)


def test_document_of_a_posterior(capsys: pytest.CaptureFixture[str]) -> None:
    goal = ("--posterior", "0.95", "--distance", "tv", "--boundaries", "0.7,0.2", "--rule", "normalised")
    status, out, _ = run(capsys, "choose", "squares-overlap", *goal, "--starts", "2", "--json")
    assert status == 0
    found = json.loads(out)
    assert found["goal"] == {"posterior": "19/20"}
    assert found["reached"]["value"] == pytest.approx(0.95, abs=2e-5)
    assert [part["low"] for part in found["windows"]] == ["7/10", "1/5", "0"]


def test_tables_for_people(capsys: pytest.CaptureFixture[str]) -> None:
    status, out, _ = run(capsys, *BASE, "--entropy", "2.1", "--free", "--bounds", "0:6", "--seed", "3")
    assert status == 0
    for words in (
        "KL to the class law",
        "Windows in the mask fraction u",
        "entropy, nats",
        "asked for 2.1",
        "enclosed",
    ):
        assert words in out


def test_steps_of_a_sampler(capsys: pytest.CaptureFixture[str]) -> None:
    goal = ("--sampler", "joint", "--steps", "3", "--guided", "1", "--w", "1", "--starts", "2")
    status, out, _ = run(capsys, "choose", "squares-overlap", *goal, "--json")
    assert status == 0
    found = json.loads(out)
    assert [found[key] for key in ("sampler", "rule", "distance")] == ["joint", "rate", "tv"]
    assert found["goal"] == {"guided": "1"}
    assert found["strengths"] == ["1", "1", "1"]
    assert [Fraction(found["fractions"][j]) for j in (0, -1)] == [1, 0]
    assert found["value"]["low"] <= found["value"]["value"] <= found["value"]["high"] < found["uniform"]
    status, out, _ = run(capsys, "choose", "squares-overlap", *goal)
    assert status == 0
    assert "3 joint steps, TV to the exact chain of w = 1, rate rule" in out


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ("xor", "none of them is given"),
        ("xor --tilted 1 --entropy 1", "--tilted and --entropy are given"),
        ("xor --tilted x", "--tilted is 'x'"),
        ("xor --tilted -2", "no tilted law"),
        ("xor --tilted 1e400", "range of doubles"),
        ("xor --tilted 1 --bounds 0:1e400", "range of doubles"),
        ("xor --sampler joint --steps 2 --tilted 1e400", "range of doubles"),
        ("xor --sampler joint --steps 2 --tilted 1 --w 1e400", "range of doubles"),
        ("xor --sampler joint --steps 2 --tilted 1 --w -1", "--w is -1"),
        ("xor --sampler joint --steps 2 --tilted 1 --w 1 --bounds 0:2", "no use for --bounds"),
        ("xor --tilted 1 --w 2", "no use for --w"),
        ("xor --posterior 2", "outside (0, 1]"),
        ("xor --entropy=-1", "negative"),
        ("xor --tilted 1 --windows 0", "--windows is '0'"),
        ("xor --tilted 1 --windows 1000", "more than 200"),
        ("xor --tilted 1 --windows 2 --boundaries 1/2", "give one of them"),
        ("xor --tilted 1 --boundaries 1/4,1/2", "do not decrease"),
        ("xor --tilted 1 --boundaries x", "--boundaries is 'x'"),
        ("xor --tilted 1 --boundaries ,", "--boundaries has no value"),
        ("xor --tilted 1 --bounds 3", "no range"),
        ("xor --tilted 1 --bounds 3:1", "no range above -1"),
        ("xor --tilted 1 --bounds=-2:1", "no range above -1"),
        ("xor --tilted 1 --seed x", "--seed is 'x'"),
        ("xor --tilted 1 --starts 0", "--starts is '0'"),
        ("xor --tilted 1 --distance l2", "l2"),
        ("slower-sampling --entropy 9 --windows 2 --starts 1", "the nearest is"),
        ("hypercubes:D=40 --tilted 1", "not listed"),
        ("no-such --tilted 1", "no built-in instance"),
        ("xor --guided 1", "no use for --guided"),
        ("xor --tilted 1 --w 1", "no use for --w"),
        ("xor --sampler euler --steps 2 --tilted 1", "no grid is chosen"),
        ("xor --sampler joint --tilted 1", "--steps is missing"),
        ("xor --sampler joint --steps 0 --tilted 1", "--steps is '0'"),
        ("xor --sampler joint --steps 2 --posterior 1/2", "no use for --posterior"),
        ("xor --sampler joint --steps 2 --tilted 1 --free", "no use for windows"),
        ("xor --sampler joint --steps 2 --tilted 1 --distance kl", "no use for --distance kl"),
        ("xor --sampler joint --steps 2 --tilted 1 --w x", "--w is 'x'"),
    ],
)
def test_bad_input_is_one_line_and_status_two(capsys: pytest.CaptureFixture[str], arguments: str, words: str) -> None:
    status, out, err = run(capsys, "choose", *arguments.split())
    assert (status, out) == (2, "")
    assert words in err
    assert err.startswith("symguide: error: ")
    assert err.count("\n") == 1
