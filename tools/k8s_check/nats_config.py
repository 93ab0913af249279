"""Reads as much of NATS' configuration language as deploy/nats/ uses."""

import re
from typing import Any, Final

_TOKEN: Final = re.compile(
    r'#[^\n]*|"((?:[^"\\]|\\.)*)"|([{}\[\]])|([^\s{}\[\],:="#]+)|[\s,]+|([:=])'
)


def parse(text: str) -> dict[str, Any]:
    """A configuration without its includes; what is not in quotes stays as it is written.

    Raises ValueError where it is none.
    """
    tokens = _tokens(text)
    found = _block(tokens, "")
    if tokens:
        raise ValueError(f"{tokens[0]!r} closes nothing")
    return found


def _tokens(text: str) -> list[str]:
    """The tokens in order; text in quotes begins with a quote."""
    tokens = []
    for match in _TOKEN.finditer(text):
        quoted, bracket, word, colon = match.groups()
        if quoted is not None:
            tokens.append('"' + quoted)
        elif bracket or word:
            tokens.append(bracket or word)
        elif colon:
            tokens.append(":")
    return tokens


def _block(tokens: list[str], end: str) -> dict[str, Any]:
    found: dict[str, Any] = {}
    while tokens and tokens[0] != end:
        if tokens[0] in "}]":
            break
        key = _plain(tokens.pop(0))
        if tokens and tokens[0] == ":":
            tokens.pop(0)
        if key == "include":
            tokens.pop(0)
            continue
        found[key] = _value(tokens)
    if end:
        if not tokens:
            raise ValueError("a block is not closed")
        tokens.pop(0)
    return found


def _value(tokens: list[str]) -> Any:
    if not tokens:
        raise ValueError("a value is missing")
    token = tokens.pop(0)
    if token == "{":
        return _block(tokens, "}")
    if token != "[":
        return _plain(token)
    items = []
    while tokens and tokens[0] != "]":
        items.append(_value(tokens))
    if not tokens:
        raise ValueError("a list is not closed")
    tokens.pop(0)
    return items


def _plain(token: str) -> str:
    return token.removeprefix('"')
