"""Run and tenant ids as NATS subjects: the one encoder, and its inverse.

Letters, digits, `_` and `-` stay; every other byte of the UTF-8 form becomes `=XX`. So no id holds
a dot, a wildcard or white space, and none leaves `progress.<tenant>.`: the server would accept a
publish to a literal `progress.default.*`.
"""

import re
from typing import Final, NamedTuple, Self

from broker.errors import InvalidName

DEFAULT_TENANT: Final = "default"
LONGEST_TOKEN: Final = 256
"""Bytes that an encoded id may have."""

_OTHER: Final = re.compile(rb"[^A-Za-z0-9_-]")
_ENCODED: Final = re.compile(rb"=([0-9A-F]{2})")
_TOKEN: Final = re.compile(r"(?:[A-Za-z0-9_-]|=[0-9A-F]{2})+", re.ASCII)


class RunKey(NamedTuple):
    """A run and the tenant it belongs to."""

    tenant: str
    run: str

    @classmethod
    def checked(cls, tenant: str, run: str) -> Self:
        """The key of a run that somebody names. Raises InvalidName where no subject can hold it."""
        key = cls(tenant, run)
        key.subject  # noqa: B018 - it is the encoder that refuses
        return key

    @property
    def subject(self) -> str:
        """Where the run's events are stored."""
        return f"progress.{encode_token(self.tenant, 'tenant')}.{encode_token(self.run)}"

    @property
    def live_subject(self) -> str:
        """Where the server republishes the run's events as they are stored."""
        return f"live.{self.subject}"

    @property
    def log_subject(self) -> str:
        """Where the run's log lines are stored."""
        return f"logs.{encode_token(self.tenant, 'tenant')}.{encode_token(self.run)}"

    @property
    def checkpoint_subject(self) -> str:
        """Where the run's checkpoint is stored: a key of the bucket RUNS."""
        return f"$KV.RUNS.{encode_token(self.tenant, 'tenant')}.{encode_token(self.run)}"


def job_subject(tenant: str, pipeline: str) -> str:
    """Where requests to start a pipeline wait for a worker."""
    return f"jobs.{encode_token(tenant, 'tenant')}.{encode_token(pipeline, 'pipeline')}"


def graph_subject(tenant: str, graph: str) -> str:
    """Where a graph that was loaded is kept: a key of the bucket GRAPHS."""
    return f"$KV.GRAPHS.{encode_token(tenant, 'tenant')}.{encode_token(graph, 'graph')}"


def graph_subjects(tenant: str) -> str:
    """Where all of them are."""
    return f"$KV.GRAPHS.{encode_token(tenant, 'tenant')}.*"


def encode_token(text: str, what: str = "run") -> str:
    """Encode an id as one subject token; raises InvalidName for an empty or too long one."""
    if not text:
        raise InvalidName(what, "is empty")
    try:
        raw = text.encode()
    except UnicodeEncodeError:
        raise InvalidName(what, "is not valid Unicode") from None
    token = _OTHER.sub(lambda match: b"=%02X" % match[0][0], raw)
    if len(token) > LONGEST_TOKEN:
        raise InvalidName(what, f"is longer than {LONGEST_TOKEN} bytes once encoded")
    return token.decode("ascii")


def decode_token(token: str) -> str:
    """The id of a token; raises InvalidName where `encode_token` would not have written it."""
    if not _TOKEN.fullmatch(token):
        raise InvalidName("encoded", "holds bytes that the encoding does not write")
    try:
        text = _ENCODED.sub(lambda match: bytes.fromhex(match[1].decode()), token.encode()).decode()
    except UnicodeDecodeError:
        raise InvalidName("encoded", "is not valid UTF-8") from None
    if encode_token(text, "encoded") != token:
        raise InvalidName("encoded", "is not in its one written form")
    return text


def run_of(subject: str) -> RunKey:
    """The run of a subject `progress.<tenant>.<run>`, `logs.…` or `live.progress.…`."""
    tokens = subject.removeprefix("live.").split(".")
    if len(tokens) != 3:
        raise InvalidName("encoded", f"is not a subject of a run: {subject[:64]!r}")
    return RunKey(decode_token(tokens[1]), decode_token(tokens[2]))


def dialect_subject(dialect: str, key: RunKey) -> str:
    """Where messages of a dialect wait to be translated."""
    run = f"{encode_token(key.tenant, 'tenant')}.{encode_token(key.run)}"
    return f"dialect.{encode_token(dialect, 'dialect')}.{run}"


def dialect_of(subject: str) -> tuple[str, RunKey]:
    """The dialect and the run of a subject `dialect.<name>.<tenant>.<run>`. Raises InvalidName."""
    tokens = subject.split(".")
    if len(tokens) != 4:
        raise InvalidName("encoded", f"is not a subject of a dialect: {subject[:64]!r}")
    name, tenant, run = map(decode_token, tokens[1:])
    return name, RunKey(tenant, run)


def tenant_of(subject: str) -> str:
    """The tenant of a subject of a run, as events or in a dialect. Raises InvalidName."""
    in_dialect = subject.startswith("dialect.")
    return dialect_of(subject)[1].tenant if in_dialect else run_of(subject).tenant
