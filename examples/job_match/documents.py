"""Intake: read postings, profile, skills and people from their files."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from .text import sentences

Skills: TypeAlias = Mapping[str, tuple[str, ...]]
"""Each skill with the words that stand for it, in small letters."""


class UnreadableDocument(ValueError):
    """A file lacks a part that the pipeline cannot do without."""

    def __init__(self, name: str, missing: str) -> None:
        super().__init__(name, missing)
        self.name, self.missing = name, missing

    def __str__(self) -> str:
        return f"{self.name} has no {self.missing}"


@dataclass(frozen=True)
class Posting:
    """A job posting; `folder` names the company among the company pages."""

    slug: str
    title: str
    company: str
    folder: str
    department: str
    location: str
    about: tuple[str, ...]
    tasks: tuple[str, ...]
    must: tuple[str, ...]
    nice: tuple[str, ...]

    @property
    def sentences(self) -> tuple[str, ...]:
        return self.about + self.tasks + self.must + self.nice


@dataclass(frozen=True)
class Job:
    """A place of work in the profile, and what was done there."""

    title: str
    deeds: tuple[str, ...]


@dataclass(frozen=True)
class Profile:
    """The candidate."""

    name: str
    headline: str
    location: str
    address: str
    summary: tuple[str, ...]
    skills: tuple[str, ...]
    jobs: tuple[Job, ...]

    @property
    def sentences(self) -> tuple[str, ...]:
        deeds = tuple(deed for job in self.jobs for deed in job.deeds)
        return (*self.summary, *deeds, *self.skills)


@dataclass(frozen=True)
class Person:
    """Someone in the directory of people."""

    name: str
    role: str
    department: str
    company: str
    address: str
    writes_about: str


def read_posting(path: Path) -> Posting:
    """Raises UnreadableDocument if the title, the company or the requirements are missing."""
    title, fields, sections = _markdown(path)
    for part in ("company", "folder"):
        if not fields.get(part):
            raise UnreadableDocument(path.name, part)
    if not (must := _items(sections.get("what you bring", ""))):
        raise UnreadableDocument(path.name, 'list under "What you bring"')
    return Posting(
        slug=path.stem,
        title=title,
        company=fields["company"],
        folder=fields["folder"],
        department=fields.get("department", ""),
        location=fields.get("location", ""),
        about=tuple(sentences(sections.get("about the role", ""))),
        tasks=_items(sections.get("what you will do", "")),
        must=must,
        nice=_items(sections.get("nice to have", "")),
    )


def read_profile(path: Path) -> Profile:
    """Raises UnreadableDocument if there is no experience to speak of."""
    name, fields, sections = _markdown(path)
    jobs = tuple(
        Job(part.partition("\n")[0].strip(), _items(part))
        for part in sections.get("experience", "").split("### ")[1:]
    )
    if not jobs:
        raise UnreadableDocument(path.name, "experience")
    return Profile(
        name=name,
        headline=fields.get("headline", ""),
        location=fields.get("location", ""),
        address=fields.get("address", ""),
        summary=tuple(sentences(sections.get("summary", ""))),
        skills=tuple(" ".join(s.split()) for s in sections.get("skills", "").split(",") if s),
        jobs=jobs,
    )


def read_skills(path: Path) -> Skills:
    known: dict[str, list[str]] = json.loads(path.read_text())
    return {skill: tuple(terms) for skill, terms in known.items()}


def read_people(path: Path) -> tuple[Person, ...]:
    return tuple(Person(**entry) for entry in json.loads(path.read_text()))


def skills_in(text: str, skills: Skills) -> frozenset[str]:
    """The known skills that a text names, by any of their words."""
    return frozenset(
        skill
        for skill, terms in skills.items()
        if any(re.search(rf"(?<!\w){re.escape(term)}(?!\w)", text.lower()) for term in terms)
    )


def _markdown(path: Path) -> tuple[str, dict[str, str], dict[str, str]]:
    """The title, the `Key: value` lines below it, and the sections by their small-letter name."""
    head, *parts = re.split(r"^## ", path.read_text(), flags=re.MULTILINE)
    title, _, rest = head.strip().partition("\n")
    if not title.startswith("# "):
        raise UnreadableDocument(path.name, "title")
    fields = dict(re.findall(r"^(\w+): *(.*\S)", rest, flags=re.MULTILINE))
    sections = {}
    for part in parts:
        name, _, body = part.partition("\n")
        sections[name.strip().lower()] = body
    return title[2:].strip(), {key.lower(): value for key, value in fields.items()}, sections


def _items(section: str) -> tuple[str, ...]:
    """The items of a Markdown list; an item may go on in indented lines."""
    found = re.findall(r"^- (.*(?:\n[ \t]+\S.*)*)", section, flags=re.MULTILINE)
    return tuple(" ".join(item.split()) for item in found)
