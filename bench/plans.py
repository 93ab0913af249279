"""What the processes of a measurement are told, and what they tell: JSON on one line each."""

import msgspec


class Load(msgspec.Struct, frozen=True, kw_only=True):
    """What a load generator opens and how it looks at what comes."""

    port: int
    connections: int
    paths: list[str]
    """Connection n opens path n, and from the first again after the last."""
    first: str = ""
    """A path that each connection asks for before it opens its stream; its answer has no body."""
    transport: str = "sse"
    core: int = 1
    exact: bool = True
    """Every event comes, in order: a number left out or repeated is an error."""
    sample: int = 10
    """Latencies of all events of every `sample`th connection are kept."""
    repeated: int = 1
    """Each event comes so many times, in a row."""
    asleep: int = 0
    """So many connections, evenly spread, stop reading when told `sleep`."""
    nap: float = 0.0
    """Seconds of sleep after each look at all sockets. Without, the server pays for a wake-up of
    the reader with nearly each write, as it would not for readers on other machines."""
    other_port: int = 0
    """Where a broken connection resumes, with its last event's id."""
    permits: int = -1
    """A pipe: one byte is written for each event that has reached every connection."""


class Loaded(msgspec.Struct, frozen=True, kw_only=True):
    """What the generator saw. Times are seconds."""

    deliveries: int
    seconds: float
    """From the first delivery to the last."""
    latencies: list[float]
    """Milliseconds from sending to reading, of the sampled connections."""
    missed: int
    doubled: int
    behind: int
    """Connections that read and have not got the last event."""
    busy: float
    """The share of its core that the generator used."""
    broken: int = 0
    recovered: list[float] = []
    """Seconds from each break to the first frame after it."""
    states: dict[str, int] = {}
    """What the sleepers' streams fold to after they woke (JSON), and how many to each."""


class Feed(msgspec.Struct, frozen=True, kw_only=True):
    """What a publisher sends, and where."""

    kind: str
    """`nats` or `http`."""
    port: int
    targets: list[str]
    """Subjects or paths; event n goes to target n, and to the first again after the last."""
    rate: float
    """Events a second over all targets; 0 is as fast as permits come."""
    seconds: float
    size: int = 256
    event: str = "progress"
    """Which of `marks.EVENTS`."""
    core: int = 1
    permits: int = -1
    """A pipe: each byte permits one round of targets; -1 is without limit."""
    window: int = 2
    """Rounds permitted at the beginning."""


class Fed(msgspec.Struct, frozen=True, kw_only=True):
    """What the publisher sent: whole rounds, so each target got as many."""

    rounds: int
    seconds: float
    latest: float
    """How late the latest event left, in ms."""
