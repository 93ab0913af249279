"""Words, sentences, and how much two texts have in common."""

import functools
import math
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

_WORD = re.compile(r"[a-z0-9][a-z0-9+#-]*")
_SENTENCE_END = re.compile(r"(?<=[.!?])\s+(?=[A-Z])")
_STOPWORDS = frozenset(
    _WORD.findall(
        "a about after all an and any are as at be been but by can do every example experience "
        "first for four from had has have how in into is it its long more neither no nor not of "
        "on one or our out over so solid strong such than that the their them these they this "
        "those through to today two up us was we were what when where which who with within you "
        "your"
    )
)
_ENDINGS = ("ations", "ation", "ments", "ment", "ings", "ing", "ies", "ed", "es", "s", "y")


def words(text: str) -> list[str]:
    """The words that carry meaning, without their endings: `pipelines` and `pipeline` are one."""
    return [_stem(word) for word in _WORD.findall(text.lower()) if word not in _STOPWORDS]


def _stem(word: str) -> str:
    for ending in _ENDINGS:
        if word.endswith(ending) and len(word) - len(ending) >= 3:
            return word.removesuffix(ending)
    return word


def sentences(text: str) -> list[str]:
    """Split prose into sentences; line breaks inside one do not count."""
    return [s for s in _SENTENCE_END.split(" ".join(text.split())) if s]


def rarities(documents: Iterable[str]) -> dict[str, float]:
    """The inverse document frequency of every word: what stands everywhere weighs little."""
    distinct = [set(words(document)) for document in documents]
    seen = Counter(word for found in distinct for word in found)
    return {word: math.log((1 + len(distinct)) / (1 + n)) + 1 for word, n in seen.items()}


def cosine(first: str, second: str, rarity: Mapping[str, float]) -> float:
    """The cosine of the TF-IDF vectors of two texts, 0 to 1."""
    a, b = _vector(first, rarity), _vector(second, rarity)
    dot = sum(weight * b[word] for word, weight in a.items() if word in b)
    return dot / (math.hypot(*a.values()) * math.hypot(*b.values())) if dot else 0.0


def _vector(text: str, rarity: Mapping[str, float]) -> dict[str, float]:
    return {word: n * rarity.get(word, 1.0) for word, n in Counter(words(text)).items()}


def coverage(wanted: Sequence[str], given: Sequence[str], rarity: Mapping[str, float]) -> float:
    """How much of the wanted words the given ones cover, 0 to 1; rare words count more."""
    total = sum(rarity.get(word, 1.0) for word in wanted)
    found = sum(
        rarity.get(word, 1.0) * max((likeness(word, other) for other in given), default=0.0)
        for word in wanted
    )
    return found / total if total else 0.0


@functools.lru_cache(maxsize=65_536)
def likeness(first: str, second: str) -> float:
    """How alike two words are: 1 for the same, 0 for less than three quarters in common."""
    longest = max(len(first), len(second))
    if longest == 0 or abs(len(first) - len(second)) > longest / 4:
        return 0.0
    alike = 1 - _edits(first, second) / longest
    return alike if alike >= 0.75 else 0.0


def _edits(first: str, second: str) -> int:
    """The Levenshtein distance."""
    row = list(range(len(second) + 1))
    for i, a in enumerate(first, 1):
        diagonal, row[0] = row[0], i
        for j, b in enumerate(second, 1):
            diagonal, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, diagonal + (a != b))
    return row[-1]
