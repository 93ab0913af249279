"""Work that waits for nothing, spread over rounds of the event loop, so that others get theirs."""

import asyncio


class Rounds:
    """Lets so many through in one round of the loop, the first that came first."""

    def __init__(self, most: int) -> None:
        self._places = asyncio.Semaphore(most)

    async def turn(self) -> None:
        """Wait until there is room in a round."""
        await self._places.acquire()
        asyncio.get_running_loop().call_soon(self._places.release)
