"""How long Hypothesis looks, how a failure within task groups is shown, and Ctrl-C in processes."""

import signal
from collections.abc import Generator
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

# Enough for a change in the model to be caught, short of a minute. How long one example takes is
# no matter of the test: the machine may be busy.
settings.register_profile(
    "ours", deadline=None, max_examples=100, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("ours")

# Who runs the tests with `&` in a script has Ctrl-C ignored there and in every process below, the
# commands under test among them.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.hookimpl(wrapper=True)
def pytest_pyfunc_call() -> Generator[None, Any, Any]:
    """What failed, not the task groups around it: each gateway of a test lives in a dozen."""
    try:
        return (yield)
    except BaseExceptionGroup as group:
        failed: BaseException = group
        while isinstance(failed, BaseExceptionGroup) and len(failed.exceptions) == 1:
            failed = failed.exceptions[0]
        if failed is group:
            raise
        raise failed from None
