"""Whom to write to about a posting, and why them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from . import Tick, silent
from .documents import Person, Posting
from .text import coverage, words

_LEADS = ("head", "lead", "director", "manager")
_HIRES = ("recruiter", "talent", "people partner")


@dataclass(frozen=True)
class Contact:
    """A person worth writing to; `reason` is said in the letter."""

    person: Person
    relevance: float
    reason: str


def contacts(
    people: Sequence[Person],
    posting: Posting,
    rarity: Mapping[str, float],
    tick: Tick = silent,
    most: int = 3,
) -> list[Contact]:
    """The company's people by how much they have to do with the role; nobody without a reason."""
    topics = words(" ".join(posting.tasks + posting.must))
    found = []
    for done, person in enumerate(people, 1):
        if person.company == posting.folder:
            contact = _contact(
                person, posting, coverage(words(person.writes_about), topics, rarity)
            )
            found.append(contact)
        tick(done, len(people), person.name)
    found.sort(key=lambda contact: (-contact.relevance, contact.person.name))
    return [contact for contact in found if contact.relevance >= 0.3][:most]


def _contact(person: Person, posting: Posting, shared: float) -> Contact:
    role = person.role.lower()
    same_team = person.department == posting.department
    if same_team and any(word in role for word in _LEADS):
        base, reason = 1.0, f"leads {person.department}, where the position is"
    elif any(word in role for word in _HIRES):
        base, reason = 0.6, "looks after applications"
    elif same_team:
        base, reason = 0.5, f"works in {person.department}, where the position is"
    else:
        base, reason = 0.0, f"writes about {person.writes_about}"
    return Contact(person, round(base + shared / 2, 3), reason)
