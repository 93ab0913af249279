"""What troubles the company, what its pages say, and what the role asks for."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from . import Tick, silent
from .documents import Posting, Skills, skills_in
from .text import cosine, coverage, sentences, words

# Words by which a text admits a trouble, by kind; found by reading, not learned.
_SIGNS = {
    "reliability": r"fail|unreachable|\bdown\b|lost|loses|wrong|false alarm|outage|interrupted",
    "speed": r"slow|late\b|wait|takes? (?:\w+ ){0,2}(?:weeks|hours|seconds|a full day)|until noon",
    "handwork": r"by hand|manual|one (?:colleague|researcher)",
    "growth": r"outgrown|doubled|so busy|is busy",
    "data quality": r"duplicate|nobody can say|nobody notices|confuse|frozen sensor",
}


@dataclass(frozen=True)
class PainPoint:
    """A sentence that admits a trouble, and of which kinds."""

    text: str
    kinds: tuple[str, ...]


@dataclass(frozen=True)
class Fact:
    """A sentence of a company page, and how much it has to do with the posting, 0 to 1."""

    text: str
    page: str
    relevance: float


@dataclass(frozen=True)
class Requirement:
    """Something the role asks for; `weight` says how much it counts in the fit."""

    text: str
    must: bool
    skills: frozenset[str]
    weight: float


def pain_points(posting: Posting, tick: Tick = silent) -> list[PainPoint]:
    """The posting's sentences that admit a trouble; those with more kinds of it first."""
    found = []
    for done, sentence in enumerate(posting.sentences, 1):
        kinds = tuple(k for k, signs in _SIGNS.items() if re.search(signs, sentence.lower()))
        # A requirement may speak of failure and mean a skill; the first two parts mean it.
        if kinds and sentence in posting.about + posting.tasks:
            found.append(PainPoint(sentence, kinds))
        tick(done, len(posting.sentences), sentence[:60])
    return sorted(found, key=lambda pain: -len(pain.kinds))


def company_facts(
    pages: Sequence[Path], posting: Posting, rarity: Mapping[str, float], tick: Tick = silent
) -> list[Fact]:
    """Every sentence of the pages, compared with every sentence of the posting; best first."""
    facts = []
    for done, page in enumerate(pages, 1):
        for sentence in sentences(re.sub(r"^#.*$", "", page.read_text(), flags=re.MULTILINE)):
            relevance = max(cosine(sentence, asked, rarity) for asked in posting.sentences)
            facts.append(Fact(sentence, page.stem, round(relevance, 3)))
        tick(done, len(pages), page.name)
    return sorted(facts, key=lambda fact: (-fact.relevance, fact.page, fact.text))


def requirements(
    posting: Posting,
    others: Sequence[Posting],
    skills: Skills,
    rarity: Mapping[str, float],
    tick: Tick = silent,
) -> list[Requirement]:
    """What the role asks for. What few other postings ask for sets it apart, and weighs more."""
    asked = [(text, True) for text in posting.must] + [(text, False) for text in posting.nice]
    result = []
    for done, (text, must) in enumerate(asked, 1):
        named = skills_in(text, skills)
        asking = sum(_asks_for(other, text, named, skills, rarity) for other in others)
        apart = 1 - asking / len(others) if others else 0.0
        result.append(Requirement(text, must, named, round((3 if must else 1) * (1 + apart), 2)))
        tick(done, len(asked), text[:60])
    return result


def _asks_for(
    other: Posting, text: str, named: frozenset[str], skills: Skills, rarity: Mapping[str, float]
) -> bool:
    wanted = words(text)
    return any(
        named & skills_in(line, skills) or coverage(wanted, words(line), rarity) > 0.6
        for line in other.must + other.nice
    )
