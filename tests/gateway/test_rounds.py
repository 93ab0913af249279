"""Work that waits for nothing does not hold up the loop."""

import asyncio
from itertools import pairwise

from broker.gateway.process.rounds import Rounds


async def test_so_many_have_their_turn_in_a_round() -> None:
    """In the order in which they came, and others in between."""
    rounds, had = Rounds(3), list[int]()

    async def work(number: int) -> None:
        await rounds.turn()
        had.append(number)

    async with asyncio.TaskGroup() as tasks:
        for number in range(20):
            tasks.create_task(work(number))
        seen = [0]
        while len(had) < 20:
            await asyncio.sleep(0)
            seen.append(len(had))
    assert [*range(20)] == had
    assert 3 >= max(after - before for before, after in pairwise(seen))
