"""How long Hypothesis looks: enough for a change in the model to be caught, short of a minute.

How long one example takes is no matter of the test: the machine may be busy.
"""

from hypothesis import HealthCheck, settings

settings.register_profile(
    "ours", deadline=None, max_examples=100, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("ours")
