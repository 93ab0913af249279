"""Where existing interfaces begin."""

from typing import Final

RUNNER: Final = ("/api/runner/jobs", "/runner/jobs", "/jobs")
"""As pages ask; and without what a server in front of the runner may have cut off."""
