"""The documents: a CV in the order that fits the role, and a letter to each contact."""

from collections.abc import Sequence
from pathlib import Path

from .documents import Posting, Profile
from .people import Contact
from .research import Fact, PainPoint
from .scoring import Fit, Match


def curriculum(profile: Profile, posting: Posting, fit: Fit) -> str:
    """The CV: nothing is left out or added; what the role asks for comes first."""
    shown = {m.evidence: m.strength * m.requirement.weight for m in fit.matches if m.evidence}
    lines = [
        f"# {profile.name}",
        "",
        profile.headline,
        f"{profile.location} · {profile.address}",
        "",
        f"## For: {posting.title}, {posting.company}",
        "",
        *profile.summary,
        "",
        "## Skills",
        "",
        ", ".join(sorted(profile.skills, key=lambda skill: -shown.get(skill, 0.0))),
        "",
        "## Experience",
    ]
    for job in profile.jobs:
        deeds = sorted(job.deeds, key=lambda deed: -shown.get(deed, 0.0))
        lines += ["", f"### {job.title}", "", *(f"- {deed}" for deed in deeds)]
    return "\n".join(lines) + "\n"


def letter(
    contact: Contact,
    profile: Profile,
    posting: Posting,
    fit: Fit,
    pains: Sequence[PainPoint],
    facts: Sequence[Fact],
) -> str:
    """The letter to one contact: their trouble, our evidence, and openly what is missing."""
    strongest = sorted(
        (m for m in fit.matches if m.evidence), key=lambda m: -m.strength * m.requirement.weight
    )
    lines = [
        f"To: {contact.person.name}, {contact.person.role} <{contact.person.address}>",
        f"Subject: {posting.title}",
        "",
        f"Dear {contact.person.name},",
        "",
        f"I write to you because you are the one who {contact.reason}.",
    ]
    if pains:
        lines += ["", "One sentence of your posting stayed with me:", "", f"> {pains[0].text}"]
    if facts:
        lines += ["", f"And one on your page “{facts[0].page}”:", "", f"> {facts[0].text}"]
    lines += ["", "This is what I would bring:", "", *map(_evidence, _distinct(strongest)[:3])]
    if missing := fit.missing():
        lines += ["", f"What I cannot show yet: {missing[0]}"]
    return "\n".join([*lines, "", "Yours sincerely,", profile.name, ""])


def write(folder: Path, name: str, text: str) -> Path:
    """Write a document and return where it lies."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / name
    path.write_text(text)
    return path


def _distinct(matches: Sequence[Match]) -> list[Match]:
    return list({match.evidence: match for match in reversed(matches)}.values())[::-1]


def _evidence(match: Match) -> str:
    return f"- You ask for: {match.requirement.text} I can show: {match.evidence}"
