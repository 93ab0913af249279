"""The elements of a JSON array, each as its own text, even where one of them is no JSON."""

import re
from typing import Final

_TOKEN: Final = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"|[\[\]{},]', re.DOTALL)
_OPENING, _CLOSING = b"[{", b"]}"


def elements(text: bytes) -> list[bytes] | None:
    """The texts between the commas of an array; None for what is not shaped like one.

    They are not judged; only strings and brackets are looked at.
    """
    text = text.strip()
    if text[:1] != b"[":
        return None
    found: list[bytes] = []
    depth = begin = 0
    for token in _TOKEN.finditer(text):
        what = token[0]
        if what in _OPENING:
            depth += 1
            begin = begin or token.end()
        elif what == b"," and depth == 1:
            found.append(text[begin : token.start()].strip())
            begin = token.end()
        elif what in _CLOSING:
            depth -= 1
            if not depth:
                found.append(text[begin : token.start()].strip())
                return found if token.end() == len(text) else None
    return None
