"""A list of runs on a WebSocket."""

from typing import Final
from urllib.parse import parse_qsl

from broker.errors import InvalidParameter
from broker.gateway.sockets.socket import Socket
from broker.gateway.sockets.subscription import Subscription
from broker.protocol.conversation import ListMessages, SubscribeList, Unsubscribe
from broker.protocol.sse import Framing
from broker.runs.query import Query, parse

LONGEST: Final = 4096
"""Characters of a list: they stand in each message about it, twice where they are the id."""


class ListSubscription(Subscription):
    """One list; who spells it alike under the same id shares its bytes."""

    __slots__ = ("list",)

    def __init__(self, socket: Socket, asked: SubscribeList) -> None:
        super().__init__(socket, "", asked.list, asked.list if asked.id is None else asked.id)
        self.list = asked.list
        """The query string of the list, as the client spelt it."""

    @property
    def messages(self) -> Framing:
        return ListMessages(self.list, self.id)

    def is_meant_by(self, asked: Unsubscribe) -> bool:
        return asked.run is None and asked.list in (None, self.list) and self.has_id(asked.id)

    def query(self) -> Query:
        """What the list is asked for. Raises InvalidParameter."""
        if len(self.list) > LONGEST:
            raise InvalidParameter("list", f"is longer than {LONGEST} characters")
        # What is no UTF-8 becomes what the query refuses.
        given = parse_qsl(self.list, keep_blank_values=True, errors="surrogateescape")
        return parse(given)
