"""What errors of NATS are counted as."""

from nats.errors import AuthorizationError, NoServersError, SlowConsumerError, StaleConnectionError


def kind_of(error: Exception) -> str:
    """The kind of an error, as `nats_errors_total` has it.

    What the server says comes as words: by those it is told apart.
    """
    said = str(error).lower()
    if isinstance(error, SlowConsumerError) or "slow consumer" in said:
        return "slow_consumer"
    if "permissions violation" in said:
        return "permission"
    if isinstance(error, AuthorizationError) or "authorization" in said:
        return "authorization"
    if isinstance(error, StaleConnectionError):
        return "stale"
    if isinstance(error, OSError | NoServersError | TimeoutError):
        return "unreachable"
    return "other"
