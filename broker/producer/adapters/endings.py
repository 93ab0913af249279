"""What is called when a process ends or forks, and does not keep alive what it calls."""

import atexit
import contextlib
import threading
import weakref
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def calling(one: T, method: Callable[[T], None]) -> Callable[[], None]:
    """A function that calls a method of an object as long as that is there."""
    held = weakref.ref(one)

    def call() -> None:
        alive = held()
        if alive is not None:
            method(alive)

    return call


def at_exit(call: Callable[[], None]) -> None:
    """Have it called when the process ends.

    Before the threads that look up host names are gone, where Python has a way: with `atexit`
    alone what was said in the last moment would not find its server.
    """
    register = getattr(threading, "_register_atexit", atexit.register)
    with contextlib.suppress(RuntimeError):  # it ends already
        register(call)
