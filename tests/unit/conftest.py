"""How long Hypothesis looks: enough for a change in the model to be caught, short of a minute."""

from hypothesis import settings

settings.register_profile("unit", deadline=None, max_examples=100)
settings.load_profile("unit")
