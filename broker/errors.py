"""Every error the broker raises on purpose.

    BrokerError
    ├── MalformedEvent        a payload is not an event
    ├── InvalidName           a run or tenant cannot be a subject token
    ├── InvalidCursor         a cursor in a request cannot be read
    ├── InvalidRequest        a request breaks the API's rules
    │   ├── InvalidEvents     ... in some of the events it carries
    │   └── InvalidParameter  ... in one of its parameters
    ├── UnsupportedType       a body is of a type that is not read
    ├── ForeignOrigin         a web page asks that may not
    ├── NotFound              the run has no events
    │   ├── AttemptNotFound   ... of that attempt
    │   ├── StoryNotKept      ... any more, of its beginning
    │   ├── MomentNotFound    ... up to that cursor
    │   └── NotOfGraph        ... the run is of another graph
    ├── GraphNotFound         no such graph was loaded
    ├── PipelineNotFound      no run of the pipeline is kept
    ├── CommandRefused        the state of the run forbids what is asked
    ├── Superseded            something was stored after what a write was based on
    ├── TooLarge              a body or an event is over its limit
    ├── StreamUnavailable     NATS or JetStream does not answer
    │   ├── NatsRefused       ... since it does not know the user, or the user may not
    │   └── StorageFull       ... since it has no room left
    ├── TopologyMismatch      a stream exists with another configuration
    ├── StreamRefused         a stream cannot be made as it is wanted
    ├── NatsUnfit             NATS is too old, or runs without JetStream
    ├── EmbeddedServerError   the embedded NATS server cannot run
    ├── CannotListen          an address is taken, or not of this machine
    ├── SettingsError         a flag or variable is wrong
    ├── RateLimited           a client asks for more than its share
    ├── Draining              the gateway is stopping
    ├── Overloaded            a bounded resource is full
    ├── FellBehind            who watches in the producer's process takes events too slowly
    ├── GatewayUnreachable    a command finds no gateway at its URL
    ├── IndexNotBuilt         the list of runs is still being read
    └── RequestRefused        a gateway's answer to a command is an error

Errors carry fields and build their text in `__str__`. HTTP status codes are known to the gateway's
middleware alone.
"""

from collections.abc import Sequence


class BrokerError(Exception):
    """Base of all errors of the broker."""


def reason_of(error: BaseException) -> BrokerError | None:
    """The broker's own error, also where tasks of ours failed with it; None for any other."""
    if isinstance(error, BaseExceptionGroup):
        reasons = [reason_of(inner) for inner in error.exceptions]
        return reasons[0] if all(reasons) else None
    return error if isinstance(error, BrokerError) else None


class MalformedEvent(BrokerError):
    """A payload is not an event; `reason` says why."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason

    def __str__(self) -> str:
        return self.reason


class InvalidName(BrokerError):
    """A run or tenant id cannot be encoded as one subject token."""

    def __init__(self, what: str, problem: str) -> None:
        super().__init__(what, problem)
        self.what, self.problem = what, problem

    def __str__(self) -> str:
        return f"the {self.what} id {self.problem}"


class InvalidCursor(BrokerError):
    """A cursor is not of the form `<epoch>-<seq>`, or not of this stream."""

    def __init__(self, cursor: str, parameter: str) -> None:
        super().__init__(cursor, parameter)
        self.cursor, self.parameter = cursor, parameter

    def __str__(self) -> str:
        return (
            f"{self.parameter}={self.cursor[:64]!r} is not a cursor of this stream: "
            "give a cursor as an earlier answer gave it, or none to begin at the beginning"
        )


class InvalidRequest(BrokerError):
    """A request breaks a rule of the API; `detail` says which and what to do."""

    def __init__(self, detail: str) -> None:
        super().__init__(detail)
        self.detail = detail

    def __str__(self) -> str:
        return self.detail


class InvalidEvents(InvalidRequest):
    """Some events of a request are refused; nothing was stored."""

    def __init__(self, problems: Sequence[tuple[int, str]]) -> None:
        count = len(problems)
        super().__init__(
            f"{count} event{' is' if count == 1 else 's are'} refused; nothing was stored"
        )
        self.problems = tuple(problems)


class InvalidParameter(InvalidRequest):
    """A parameter of a request is wrong; `parameter` names it."""

    def __init__(self, parameter: str, problem: str) -> None:
        super().__init__(f"{parameter[:64]}: {problem}")
        self.parameter = parameter


class UnsupportedType(BrokerError):
    """A body is of a media type that is not read there."""

    def __init__(self, media_type: str) -> None:
        super().__init__(media_type)
        self.media_type = media_type

    def __str__(self) -> str:
        return (
            f"the body is {self.media_type[:64]}: send JSON, with Content-Type: application/json "
            "(curl says so with -H 'Content-Type: application/json')"
        )


class ForeignOrigin(BrokerError):
    """A page of an origin that is not allowed asks for a change."""

    def __init__(self, origin: str) -> None:
        super().__init__(origin)
        self.origin = origin

    def __str__(self) -> str:
        return (
            f"the page is of {self.origin[:128]}: add the origin to --allowed-origins, or serve "
            "the page under the broker's own address"
        )


class NotFound(BrokerError):
    """Nothing was ever stored for this run, or it is older than what is kept."""

    def __init__(self, run: str) -> None:
        super().__init__(run)
        self.run = run

    def __str__(self) -> str:
        return f"no events are stored for run {self.run!r}"


class AttemptNotFound(NotFound):
    """A run has no such attempt, or its events are not kept; `there` are the ones it tells of."""

    def __init__(self, run: str, attempt: int, there: Sequence[int], *, expired: bool) -> None:
        super().__init__(run)
        self.attempt, self.there, self.expired = attempt, tuple(there), expired

    def __str__(self) -> str:
        why = (
            f"the events of attempt {self.attempt} of run {self.run!r} are not all kept any more"
            if self.expired
            else f"run {self.run!r} has no attempt {self.attempt}"
        )
        known = ", ".join(map(str, self.there))
        return f"{why}: its attempts are {known}, the last of them the current one"


class StoryNotKept(NotFound):
    """A run's first events have expired, without which its earlier states cannot be told."""

    def __str__(self) -> str:
        return (
            f"the first events of run {self.run!r} are not kept any more, without which its "
            "earlier states are not known: its present one is, and the events that are left"
        )


class MomentNotFound(NotFound):
    """A run has no event up to a cursor."""

    def __init__(self, run: str, cursor: str) -> None:
        super().__init__(run)
        self.cursor = cursor

    def __str__(self) -> str:
        return f"run {self.run!r} has no event up to {self.cursor}: its first one came later"


class NotOfGraph(NotFound):
    """A run is asked for as the execution of a graph that it is not."""

    def __init__(self, run: str, graph: str) -> None:
        super().__init__(run)
        self.graph = graph

    def __str__(self) -> str:
        return f"run {self.run!r} is no execution of graph {self.graph!r}"


class GraphNotFound(BrokerError):
    """No graph of this id was loaded, or it was so long ago that others took its place."""

    def __init__(self, graph: str) -> None:
        super().__init__(graph)
        self.graph = graph

    def __str__(self) -> str:
        return f"no graph {self.graph!r} is loaded: POST /api/graphs/load gives the id of one"


class PipelineNotFound(BrokerError):
    """No run of this pipeline is among those that are kept."""

    def __init__(self, pipeline: str) -> None:
        super().__init__(pipeline)
        self.pipeline = pipeline

    def __str__(self) -> str:
        return f"no run of pipeline {self.pipeline!r} is kept"


class CommandRefused(BrokerError):
    """The state of a run forbids what is asked of it; `detail` says why and what would do."""

    def __init__(self, run: str, detail: str) -> None:
        super().__init__(run, detail)
        self.run, self.detail = run, detail

    def __str__(self) -> str:
        return f"run {self.run!r}: {self.detail}"


class Superseded(BrokerError):
    """A write expected another last sequence of its subject; nothing was stored."""

    def __init__(self, subject: str) -> None:
        super().__init__(subject)
        self.subject = subject

    def __str__(self) -> str:
        return f"{self.subject} has gone on since it was read: read it again"


class TooLarge(BrokerError):
    """A body or an event is over its limit, in bytes."""

    def __init__(self, what: str, limit: int) -> None:
        super().__init__(what, limit)
        self.what, self.limit = what, limit

    def __str__(self) -> str:
        return f"{self.what} is larger than the limit of {self.limit} bytes"


class StreamUnavailable(BrokerError):
    """NATS or JetStream did not do what was asked; the same request may succeed later."""

    def __init__(self, doing: str, reason: str) -> None:
        super().__init__(doing, reason)
        self.doing, self.reason = doing, reason

    def __str__(self) -> str:
        return f"{self.doing}: {self.reason}"


class NatsRefused(StreamUnavailable):
    """NATS does not know the user, or does not let it do what is asked."""

    def __str__(self) -> str:
        return f"{super().__str__()}: check the user, its password and its permissions"


class StorageFull(StreamUnavailable):
    """JetStream has no room for what is to be stored."""

    def __str__(self) -> str:
        return (
            f"{super().__str__()}: NATS has no room left, give it disk space or raise its limit of "
            "JetStream's storage"
        )


class IndexNotBuilt(BrokerError):
    """The gateway has started a moment ago, and reads the runs it is to list."""

    def __init__(self, count: int) -> None:
        super().__init__(count)
        self.count = count

    def __str__(self) -> str:
        return f"the index of runs is being built ({self.count:,} so far): ask again in a moment"


class TopologyMismatch(BrokerError):
    """A stream exists with a configuration that cannot be changed to ours."""

    def __init__(self, stream: str, field: str, found: object, wanted: object) -> None:
        super().__init__(stream, field, found, wanted)
        self.stream, self.field, self.found, self.wanted = stream, field, found, wanted

    def __str__(self) -> str:
        return (
            f"stream {self.stream} has {self.field} = {self.found!r}, but {self.wanted!r} is "
            "wanted, and the server does not change it: change the setting, or move the "
            "stream's messages to a new one"
        )


class StreamRefused(BrokerError):
    """The server does not make a stream as it is wanted, and never will; `reason` is its word."""

    def __init__(self, stream: str, reason: str) -> None:
        super().__init__(stream, reason)
        self.stream, self.reason = stream, reason

    def __str__(self) -> str:
        return (
            f"NATS does not make stream {self.stream} ({self.reason}): change the setting, or what "
            "the server has in its place"
        )


class NatsUnfit(BrokerError):
    """The NATS server cannot do what the broker needs; the text says what, and what to do."""


class CannotListen(BrokerError):
    """An address cannot be listened on; `flag` gives another one."""

    def __init__(self, address: str, reason: str, flag: str) -> None:
        super().__init__(address, reason, flag)
        self.address, self.reason, self.flag = address, reason, flag

    def __str__(self) -> str:
        return (
            f"cannot listen on {self.address} ({self.reason}): stop what listens there, "
            f"or take another address with {self.flag}"
        )


class EmbeddedServerError(BrokerError):
    """The embedded NATS server cannot be started; the text says what to do."""


class SettingsError(BrokerError):
    """A flag, variable or settings file is wrong; the text names it."""


class Overloaded(BrokerError):
    """A bounded resource is full; `limit` names it."""

    def __init__(self, limit: str, value: int) -> None:
        super().__init__(limit, value)
        self.limit, self.value = limit, value

    def __str__(self) -> str:
        return f"the limit {self.limit} = {self.value} is reached"


class RateLimited(BrokerError):
    """A client asks for more than its share; `limit` is the setting that says how much that is.

    `rate` per second on average, `burst` at once; `wait` seconds until it may go on.
    """

    def __init__(self, limit: str, rate: float, burst: float, wait: float) -> None:
        super().__init__(limit, rate, burst, wait)
        self.limit, self.rate, self.burst, self.wait = limit, rate, burst, wait

    def __str__(self) -> str:
        if not self.rate:
            return f"the limit {self.limit} = {self.burst:g} is reached: close one first"
        return (
            f"the limit {self.limit} is reached ({self.rate:g} a second, {self.burst:g} at once): "
            f"wait {self.wait:.1f} s"
        )


class Draining(BrokerError):
    """The gateway is stopping and takes no new streams; another one does."""

    def __str__(self) -> str:
        return "this gateway is stopping: connect again, and another one answers"


class FellBehind(BrokerError):
    """Who watches an execution in its own process has left too many events; it goes on."""

    def __init__(self, run: str, most: int) -> None:
        super().__init__(run, most)
        self.run, self.most = run, most

    def __str__(self) -> str:
        return (
            f"more than {self.most} events of run {self.run!r} were not taken: the run goes on, "
            "the broker shows it"
        )


class GatewayUnreachable(BrokerError):
    """Nothing that speaks HTTP answers at `url`."""

    def __init__(self, url: str, reason: str) -> None:
        super().__init__(url, reason)
        self.url, self.reason = url, reason

    def __str__(self) -> str:
        return (
            f"no gateway at {self.url} ({self.reason}): start one with `progress-broker serve`, "
            "or say with --url or PROGRESS_BROKER_URL where it is"
        )


class RequestRefused(BrokerError):
    """A gateway answered with an error: its status, and what its problem details say.

    `name` is the last part of the problem's type; `problems` are the refused events by index.
    """

    def __init__(
        self,
        status: int,
        name: str,
        detail: str,
        problems: Sequence[tuple[int, str]] = (),
        wait: float | None = None,
    ) -> None:
        super().__init__(status, name, detail, problems, wait)
        self.status, self.name, self.detail = status, name, detail
        self.problems = tuple(problems)
        self.wait = wait
        """Seconds after which the same may succeed, where the gateway says so."""

    def __str__(self) -> str:
        listed = "".join(f"\n  [{index}] {text}" for index, text in self.problems)
        return self.detail + listed
