"""The seven layers as a LangGraph graph.

A layer takes what it needs from the state, has the work done, and reports how far it is with
LangChain's custom events. Nothing here knows the broker: whoever runs the graph with
`broker.producer.langgraph.ProgressCallback` sees its progress, whoever does not, does not.
"""

import asyncio
from pathlib import Path
from typing import Any, TypedDict

from langchain_core.callbacks import dispatch_custom_event
from langgraph.graph import END, START, StateGraph
from langgraph.graph.state import CompiledStateGraph

from . import Tick
from . import people as directory
from .documents import (
    Person,
    Posting,
    Profile,
    Skills,
    read_people,
    read_posting,
    read_profile,
    read_skills,
)
from .people import Contact
from .research import (
    Fact,
    PainPoint,
    Requirement,
    company_facts,
    requirements,
)
from .research import pain_points as find_pain_points
from .scoring import Fit, fit
from .text import rarities
from .writing import curriculum, letter, write


class State(TypedDict, total=False):
    """What the layers know; `data`, `output` and `slug` are given, the rest is found."""

    data: Path
    output: Path
    slug: str
    posting: Posting
    others: list[Posting]
    profile: Profile
    skills: Skills
    people: tuple[Person, ...]
    rarity: dict[str, float]
    pains: list[PainPoint]
    facts: list[Fact]
    requirements: dict[str, list[Requirement]]
    fits: dict[str, Fit]
    contacts: list[Contact]
    documents: list[Path]


def intake(state: State) -> State:
    """Read every document, and count the words in all of them."""
    data = state["data"]
    files = sorted(data.glob("postings/*.md"))
    pages = sorted(data.glob("companies/*/*.md"))
    tick = _ticks("documents")
    postings = []
    for done, path in enumerate(files, 1):
        postings.append(read_posting(path))
        tick(done, len(files) + len(pages) + 1, path.name)
    profile = read_profile(data / "profile.md")
    texts = [" ".join(posting.sentences) for posting in postings] + [" ".join(profile.sentences)]
    for done, path in enumerate(pages, len(files) + 1):
        texts.append(path.read_text())
        tick(done, len(files) + len(pages) + 1, path.name)
    tick(len(texts), len(texts), "profile.md")
    by_slug = {posting.slug: posting for posting in postings}
    posting = by_slug.pop(state["slug"])
    return {
        "posting": posting,
        "others": list(by_slug.values()),
        "profile": profile,
        "skills": read_skills(data / "skills.json"),
        "people": read_people(data / "people.json"),
        "rarity": rarities(texts),
    }


def pain_points(state: State) -> State:
    """Find the sentences in which the posting admits a trouble."""
    pains = find_pain_points(state["posting"], _ticks("sentences"))
    _log(f"{len(pains)} pain points")
    return {"pains": pains}


async def company_research(state: State) -> State:
    """Read the company's pages; asynchronous, as research on a network would be."""
    pages = sorted(state["data"].glob(f"companies/{state['posting'].folder}/*.md"))
    if not pages:
        _log(f"no pages about {state['posting'].company}", level="warning")
    # to_thread takes the context along, and with it the way to this layer's callbacks.
    facts = await asyncio.to_thread(
        company_facts, pages, state["posting"], state["rarity"], _ticks("pages")
    )
    return {"facts": facts}


def role_research(state: State) -> State:
    """Find what each role asks for, and what sets it apart from the other roles."""
    postings = [state["posting"], *state["others"]]
    tick = _ticks("postings")
    found = {}
    for done, posting in enumerate(postings, 1):
        others = [other for other in postings if other is not posting]
        found[posting.slug] = requirements(posting, others, state["skills"], state["rarity"])
        tick(done, len(postings), posting.title)
    return {"requirements": found}


def fit_scoring(state: State) -> State:
    """Score the profile against this role, and the others to see the score beside theirs."""
    asked = state["requirements"]
    tick = _ticks("comparisons")
    fits: dict[str, Fit] = {}
    for slug, wanted in asked.items():

        def part(done: int, total: int, what: str, before: int = len(fits)) -> None:
            tick(before * 100 + done * 100 // total, len(asked) * 100, what)

        fits[slug] = fit(wanted, state["profile"], state["skills"], state["rarity"], part)
        _log(f"{slug}: {fits[slug].score} of 100 (at least {fits[slug].low} if resampled)")
    return {"fits": fits}


def people_mapping(state: State) -> State:
    """Find whom to write to."""
    found = directory.contacts(state["people"], state["posting"], state["rarity"], _ticks("people"))
    return {"contacts": found}


def cv_outreach_generation(state: State) -> State:
    """Write the CV and a letter to each contact."""
    profile, posting, contacts = state["profile"], state["posting"], state["contacts"]
    scored = state["fits"][posting.slug]
    folder = state["output"] / posting.slug
    tick = _ticks("documents")
    documents = [write(folder, "cv.md", curriculum(profile, posting, scored))]
    tick(1, len(contacts) + 1, "cv.md")
    for contact in contacts:
        name = f"to-{contact.person.name.split()[0].lower()}.md"
        text = letter(contact, profile, posting, scored, state["pains"], state["facts"])
        documents.append(write(folder, name, text))
        tick(len(documents), len(contacts) + 1, name)
    for path in documents:
        artifact = {"name": path.name, "uri": path.absolute().as_uri()}
        dispatch_custom_event("artifact", {**artifact, "media_type": "text/markdown"})
    return {"documents": documents}


LAYERS = (
    intake,
    pain_points,
    company_research,
    role_research,
    fit_scoring,
    people_mapping,
    cv_outreach_generation,
)


def build(count: int = len(LAYERS)) -> "CompiledStateGraph[State, None, State, State]":
    """The graph: one layer after the other; only so many where a `count` is given."""
    builder = StateGraph(State)
    before = START
    for layer in LAYERS[:count]:
        builder.add_node(layer.__name__, layer)
        builder.add_edge(before, layer.__name__)
        before = layer.__name__
    builder.add_edge(before, END)
    return builder.compile()


def _ticks(unit: str) -> Tick:
    """Progress of the layer that calls this, in its own unit."""

    def tick(done: int, total: int, what: str) -> None:
        event: dict[str, Any] = {"current": done, "total": total, "unit": unit, "message": what}
        dispatch_custom_event("progress", event)

    return tick


def _log(text: str, level: str = "info") -> None:
    dispatch_custom_event("log", {"text": text, "level": level})
