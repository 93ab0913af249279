"""Every metric of the broker, on a registry that is given, never on a global one.

`docs/metrics.md` is written from it. Labels are bounded: never a run, a tenant or a client.
"""

from broker.metrics.metrics import Metrics

__all__ = ["Metrics"]
