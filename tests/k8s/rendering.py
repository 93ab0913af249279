"""The overlays, each rendered once."""

from functools import cache

from tools.k8s_check.overlay import ROOT, Overlay, rendered


@cache
def overlay(name: str) -> Overlay:
    """An overlay of this repository; not to be changed."""
    return rendered(ROOT, name)
