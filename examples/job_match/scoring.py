"""Fit: how much of what a role asks for a profile shows, 0 to 100, and on how little that hangs."""

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from . import Tick, silent
from .documents import Profile, Skills, skills_in
from .research import Requirement
from .text import coverage, words

ROUNDS = 10_000
_REPORT_EVERY = 250


@dataclass(frozen=True)
class Match:
    """The best evidence for a requirement; None if nothing in the profile speaks of it."""

    requirement: Requirement
    strength: float
    evidence: str | None


@dataclass(frozen=True)
class Fit:
    """The score, and what nineteen of twenty resampled profiles score at least.

    A resampled profile lacks about a third of the sentences; if `low` is far below the score, the
    score hangs on few of them.
    """

    score: int
    low: int
    matches: tuple[Match, ...]

    def missing(self) -> list[str]:
        """The requirements that have to be met and are not shown."""
        return [m.requirement.text for m in self.matches if m.requirement.must and not m.evidence]


def fit(
    requirements: Sequence[Requirement],
    profile: Profile,
    skills: Skills,
    rarity: Mapping[str, float],
    tick: Tick = silent,
    rounds: int = ROUNDS,
) -> Fit:
    """Compare every requirement with every sentence of the profile, then resample the sentences.

    The resampling is seeded: the same documents give the same result.
    """
    total = len(requirements) + rounds // _REPORT_EVERY
    evidence = profile.sentences
    table = []
    for done, requirement in enumerate(requirements, 1):
        table.append([_strength(requirement, line, skills, rarity) for line in evidence])
        tick(done, total, requirement.text[:60])
    weights = [requirement.weight for requirement in requirements]
    chance = random.Random(len(evidence))
    scores = []
    for done in range(1, rounds + 1):
        chosen = chance.choices(range(len(evidence)), k=len(evidence))
        scores.append(_score([max(row[i] for i in chosen) for row in table], weights))
        if done % _REPORT_EVERY == 0:
            tick(len(requirements) + done // _REPORT_EVERY, total, f"{done} resampled profiles")
    scores.sort()
    matches = tuple(map(_best, requirements, table, [evidence] * len(table)))
    score = _score([match.strength for match in matches], weights)
    return Fit(round(score), round(scores[rounds // 20]), matches)


def _strength(
    requirement: Requirement, line: str, skills: Skills, rarity: Mapping[str, float]
) -> float:
    """How well a line of the profile shows a requirement: by its skills, or by its words."""
    by_words = coverage(words(requirement.text), words(line), rarity)
    if not requirement.skills:
        return by_words
    shown = len(requirement.skills & skills_in(line, skills)) / len(requirement.skills)
    return max(shown, by_words)


def _best(requirement: Requirement, row: Sequence[float], evidence: Sequence[str]) -> Match:
    strength, line = max(zip(row, evidence, strict=True), key=lambda pair: pair[0])
    return Match(requirement, round(strength, 3), line if strength >= 0.4 else None)


def _score(strengths: Sequence[float], weights: Sequence[float]) -> float:
    met = sum(s * w for s, w in zip(strengths, weights, strict=True))
    return 100 * met / sum(weights)
