"""What pipelines do to a producer that it was not made for: it neither blocks nor raises."""

import asyncio
import os
import signal
import threading
import time
from datetime import UTC, datetime

from broker.producer import Producer
from broker.producer.outbox import Outbox
from broker.producer.spool import Spool
from tests.producer.conftest import Nats


async def test_a_forked_process_reports_nothing_and_does_not_hang(nats: Nats) -> None:
    """Also where a thread held the lock that moment: it is not there to let it go."""
    async with Producer.connect(nats.url) as producer:
        run = producer.run("p", "r1")
        run.start()
        await producer.flush()
        spool, held, go_on = producer._spool, threading.Event(), threading.Event()

        def hold() -> None:
            with spool.lock:
                held.set()
                go_on.wait(30)

        holder = threading.Thread(target=hold)
        holder.start()
        held.wait(30)
        pid = os.fork()
        if not pid:
            signal.signal(signal.SIGALRM, signal.SIG_DFL)  # as it was before pytest-timeout's
            signal.alarm(10)
            run.annotate(labels={"by": "the child"})
            run.log("and this")
            run.complete()
            os._exit(sum(producer.dropped.values()))
        go_on.set()
        _, status = await asyncio.to_thread(os.waitpid, pid, 0)
        holder.join()
        assert 3 == os.waitstatus_to_exitcode(status), "events that the child had to drop"
        run.complete()
        await producer.flush()
        assert {} == producer.dropped
    assert ["run.started", "run.completed"] == await nats.tags("r1")


def test_a_loop_that_was_closed_under_a_producer() -> None:
    """What is reported then is lost, and nobody hears of the loop."""

    async def made() -> Spool:
        return Spool(
            Outbox(max_bytes=1000, max_entries=10),
            now=lambda: datetime.now(UTC),
            monotonic=time.monotonic,
            random_bytes=os.urandom,
        )

    loop = asyncio.new_event_loop()
    spool = loop.run_until_complete(made())
    loop.close()
    spool.later(spool.monotonic(), lambda: None)
    assert spool.closed
