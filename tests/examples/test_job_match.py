"""The work of the job-match example: each function on small texts, then the graph on its data."""

import random
from pathlib import Path

import pytest

from examples.job_match.documents import (
    Job,
    Person,
    Posting,
    Profile,
    UnreadableDocument,
    read_people,
    read_posting,
    read_profile,
    read_skills,
    skills_in,
)
from examples.job_match.people import contacts
from examples.job_match.research import Requirement, company_facts, pain_points, requirements
from examples.job_match.scoring import fit
from examples.job_match.text import cosine, coverage, likeness, rarities, sentences, words
from examples.job_match.writing import curriculum, letter

DATA = Path(__file__).parents[2] / "examples/data"
SKILLS = {"python": ("python",), "streaming": ("nats", "kafka"), "go": ("golang",)}

PROFILE = Profile(
    name="Ada Example",
    headline="",
    location="",
    address="ada@ada.example",
    summary=("I write Python.",),
    skills=("baking",),
    jobs=(Job("Post office", ("Sorted letters.", "Brought NATS to the sorting halls.")),),
)


def posting(**parts: object) -> Posting:
    blank: dict[str, object] = {
        "slug": "p",
        "title": "Engineer",
        "company": "Post",
        "folder": "post",
        "department": "Sorting",
        "location": "",
        "about": (),
        "tasks": (),
        "must": (),
        "nice": (),
    }
    return Posting(**(blank | parts))  # type: ignore[arg-type]


def test_words_lose_endings_and_fillers() -> None:
    assert words("The deployments and a Deployment") == ["deploy", "deploy"]


def test_sentences_ignore_line_breaks() -> None:
    assert sentences("One\nline. Another? Yes, e.g. this one.") == [
        "One line.",
        "Another?",
        "Yes, e.g. this one.",
    ]


def test_rare_words_weigh_more() -> None:
    rarity = rarities(["boat boat", "boat tram", "boat"])
    assert rarity["boat"] < rarity["tram"]


def test_cosine_is_one_for_the_same_and_zero_for_strangers() -> None:
    assert cosine("fast trams", "fast trams", {}) == pytest.approx(1)
    assert cosine("fast trams", "slow boats", {}) == 0
    assert 0 < cosine("fast trams", "fast boats", {}) < 1


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [("tram", "tram", 1.0), ("labour", "labor", 5 / 6), ("tram", "boat", 0.0), ("", "", 0.0)],
)
def test_likeness_of_words(first: str, second: str, expected: float) -> None:
    assert likeness(first, second) == pytest.approx(expected)


def test_coverage_asks_how_much_of_the_wanted_is_there() -> None:
    assert coverage(["tram", "boat"], ["boat", "sea", "sun"], {}) == 0.5
    assert coverage(["tram", "boat"], ["boat"], {"boat": 3.0, "tram": 1.0}) == 0.75
    assert coverage([], ["boat"], {}) == 0


def test_a_skill_is_found_by_whole_words_only() -> None:
    assert skills_in("Kafka or Python", SKILLS) == {"streaming", "python"}
    assert skills_in("Natsumi knows pythons", SKILLS) == frozenset()


@pytest.mark.parametrize("path", sorted(DATA.glob("postings/*.md")), ids=lambda path: path.stem)
def test_every_posting_is_complete(path: Path) -> None:
    found = read_posting(path)

    assert found.about
    assert found.tasks
    assert found.must
    assert found.nice
    assert list(DATA.glob(f"companies/{found.folder}/*.md"))
    assert any(
        person.company == found.folder and person.department == found.department
        for person in read_people(DATA / "people.json")
    )


def test_items_may_go_on_in_the_next_line(tmp_path: Path) -> None:
    path = tmp_path / "p.md"
    path.write_text(
        "# Clerk\nCompany: Post\nFolder: post\n"
        "## What you bring\n\n- Care with\n  letters.\n- Rest.\n"
    )

    assert read_posting(path).must == ("Care with letters.", "Rest.")


@pytest.mark.parametrize(
    ("text", "missing"),
    [
        ("Clerk\nCompany: Post", "title"),
        ("# Clerk\nFolder: post\n", "company"),
        ("# Clerk\nCompany: Post\nFolder: post\n", 'list under "What you bring"'),
    ],
)
def test_an_incomplete_posting_is_refused(tmp_path: Path, text: str, missing: str) -> None:
    path = tmp_path / "p.md"
    path.write_text(text)

    with pytest.raises(UnreadableDocument, match=missing):
        read_posting(path)


def test_the_profile_has_jobs_and_skills() -> None:
    profile = read_profile(DATA / "profile.md")

    assert [len(job.deeds) for job in profile.jobs] == [6, 4, 3]
    assert "automated testing" in profile.skills


def test_pain_points_come_from_what_the_company_says_of_itself() -> None:
    text = posting(
        about=("All is well.", "The slow import fails."),
        tasks=("Copy files by hand.",),
        must=("Calm when servers fail.",),
    )

    assert [(pain.text, pain.kinds) for pain in pain_points(text)] == [
        ("The slow import fails.", ("reliability", "speed")),
        ("Copy files by hand.", ("handwork",)),
    ]


def test_facts_are_ranked_by_what_they_have_to_do_with_the_posting(tmp_path: Path) -> None:
    page = tmp_path / "about.md"
    page.write_text("# Heading\n\nWe like cake. Our trams report positions.\n")

    facts = company_facts([page], posting(about=("Bring the trams' positions to us.",)), {})

    assert [fact.text for fact in facts] == ["Our trams report positions.", "We like cake."]
    assert facts[1].relevance == 0


def test_what_no_other_posting_asks_for_weighs_twice() -> None:
    mine = posting(must=("Python.", "NATS."), nice=("Baking.",))
    other = posting(slug="other", must=("Python for tools.",))

    found = requirements(mine, [other], SKILLS, {})

    assert [(r.text, r.must, r.weight) for r in found] == [
        ("Python.", True, 3),
        ("NATS.", True, 6),
        ("Baking.", False, 2),
    ]


def wanted(*texts: str, must: bool = True) -> list[Requirement]:
    return [Requirement(text, must, skills_in(text, SKILLS), 1.0) for text in texts]


def test_the_fit_is_full_partial_or_none() -> None:
    assert fit(wanted("Python", "Kafka"), PROFILE, SKILLS, {}, rounds=20).score == 100
    assert fit(wanted("Python", "Golang"), PROFILE, SKILLS, {}, rounds=20).score == 50
    assert fit(wanted("Golang"), PROFILE, SKILLS, {}, rounds=20).score == 0


def test_the_fit_names_its_evidence_and_what_is_missing() -> None:
    result = fit(wanted("Kafka", "Golang"), PROFILE, SKILLS, {}, rounds=20)

    assert [match.evidence for match in result.matches] == [
        "Brought NATS to the sorting halls.",
        None,
    ]
    assert result.missing() == ["Golang"]


def test_the_fit_is_the_same_every_time_and_resampling_never_adds() -> None:
    random.seed(1)
    first = fit(wanted("Python", "Kafka"), PROFILE, SKILLS, {})
    random.seed(2)
    second = fit(wanted("Python", "Kafka"), PROFILE, SKILLS, {})

    assert first == second
    assert first.low <= first.score


def test_the_fit_counts_to_its_total() -> None:
    seen: list[tuple[int, int]] = []
    fit(
        wanted("Python", "Kafka"),
        PROFILE,
        SKILLS,
        {},
        lambda done, total, what: seen.append((done, total)),
        rounds=500,
    )

    assert seen == [(1, 4), (2, 4), (3, 4), (4, 4)]


def person(name: str, role: str, department: str, company: str = "post") -> Person:
    return Person(name, role, department, company, f"{name}@post.example", "stamps")


def test_contacts_are_those_with_a_say() -> None:
    everyone = [
        person("clerk", "Clerk", "Sorting"),
        person("cook", "Cook", "Kitchen"),
        person("recruiter", "Recruiter", "People"),
        person("head", "Head of Sorting", "Sorting"),
        person("stranger", "Head of Sorting", "Sorting", company="elsewhere"),
    ]

    found = contacts(everyone, posting(tasks=("Sort letters.",)), {})

    assert [contact.person.name for contact in found] == ["head", "recruiter", "clerk"]


def test_the_cv_keeps_every_deed_and_puts_the_asked_for_first() -> None:
    scored = fit(wanted("Kafka"), PROFILE, SKILLS, {}, rounds=20)

    text = curriculum(PROFILE, posting(), scored)

    assert text.index("Brought NATS") < text.index("Sorted letters")


def test_the_letter_says_what_is_missing() -> None:
    scored = fit(wanted("Kafka", "Golang"), PROFILE, SKILLS, {}, rounds=20)
    contact = contacts([person("Head", "Head of Sorting", "Sorting")], posting(), {})[0]

    text = letter(contact, PROFILE, posting(), scored, [], [])

    assert "Dear Head" in text
    assert "I can show: Brought NATS" in text
    assert "What I cannot show yet: Golang" in text


@pytest.mark.parametrize("slug", [path.stem for path in sorted(DATA.glob("postings/*.md"))])
async def test_the_graph_runs_with_nobody_watching(slug: str, tmp_path: Path) -> None:
    pytest.importorskip("langgraph", reason="progress-broker[langgraph] is not installed")
    from examples.job_match.graph import State, build

    given: State = {"data": DATA, "output": tmp_path, "slug": slug}
    state = await build().ainvoke(given)

    assert 0 < state["fits"][slug].score < 100
    assert len(state["fits"]) == 4
    assert state["documents"][0].name == "cv.md"
    assert len(state["documents"]) == 4
    assert all(path.read_text().strip() for path in state["documents"])
    assert skills_in("PostgreSQL", read_skills(DATA / "skills.json")) == {"postgresql"}
