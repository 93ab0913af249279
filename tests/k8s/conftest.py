"""The overlays that most tests look at."""

import pytest

from tests.k8s.rendering import overlay
from tools.k8s_check.overlay import Overlay


@pytest.fixture
def production() -> Overlay:
    return overlay("production")


@pytest.fixture
def gke() -> Overlay:
    return overlay("production-gke")
