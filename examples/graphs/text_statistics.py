"""A graph: statistics of a text, given as `text`, else of the profile among the examples' data.

A node finds in the state what those before it put there: their results, which are small since
everyone sees them, and what they work on, which is not.
"""

import re
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

PROFILE = Path(__file__).parents[1] / "data" / "profile.md"
MOST_FREQUENT = 5
SHORT = 4
"""Letters of words that are too short to say what a text is about."""

State = dict[str, Any]


@dataclass(frozen=True)
class Node:
    """A function of the state, and the nodes it needs the results of."""

    id: str
    execute: Callable[[State], State]
    name: str = ""
    after: Iterable[str] = ()


def read(state: State) -> State:
    """Take the text, without the marks of Markdown."""
    text = state.get("text")
    state["text"] = re.sub(r"[#*_`|]", " ", PROFILE.read_text() if text is None else text)
    return {"characters": len(state["text"])}


def words(state: State) -> State:
    """Find the words, in lower case."""
    state["words"] = re.findall(r"[^\W\d_]+", state["text"].lower())
    return {"word_count": len(state["words"])}


def sentences(state: State) -> State:
    """Count the sentences."""
    return {"sentence_count": len(re.findall(r"[^.!?\s][^.!?]*", state["text"]))}


def frequent(state: State) -> State:
    """Find the words that stand most often, of those that are not short."""
    counts = Counter(word for word in state["words"] if len(word) > SHORT)
    return {"frequent": dict(counts.most_common(MOST_FREQUENT))}


def readability(state: State) -> State:
    """Words in a sentence and letters in a word, on average. Raises ValueError without any."""
    found = state["words"]
    if not found:
        raise ValueError("the text has no words")
    return {
        "words_per_sentence": round(len(found) / state["sentence_count"], 1),
        "letters_per_word": round(sum(map(len, found)) / len(found), 1),
    }


def report(state: State) -> State:
    """Say what was found out, as far as it was."""
    found = f"{state['word_count']} words in {state['sentence_count']} sentences"
    average = state.get("words_per_sentence")
    return {"report": found if average is None else f"{found}, {average} words in each"}


NODES = [
    Node("read", read, "Read the text"),
    Node("words", words, "Find the words", after=["read"]),
    Node("sentences", sentences, "Count the sentences", after=["read"]),
    Node("frequent", frequent, "Find frequent words", after=["words"]),
    Node("readability", readability, "Measure readability", after=["words", "sentences"]),
    Node("report", report, "Report", after=["frequent", "readability"]),
]
