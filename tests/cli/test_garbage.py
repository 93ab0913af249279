"""What lives long is not searched through whenever more of it comes."""

import subprocess
import sys

_PROGRAM = """
import gc
from broker.cli.garbage import search_rarely

class Circle:
    left = 0
    def __init__(self): self.itself = self
    def __del__(self): Circle.left += 1

search_rarely()
before = gc.get_stats()[2]["collections"]
kept = [[] for _ in range(1_000_000)]
for _ in range(100_000): Circle()
print(gc.get_stats()[2]["collections"] - before, Circle.left > 90_000)
"""


def test_a_million_new_objects_cost_no_search_of_everything() -> None:
    """And circles that go soon are still found."""
    told = subprocess.run(
        [sys.executable, "-c", _PROGRAM], capture_output=True, text=True, check=True, timeout=60
    )
    assert "0 True\n" == told.stdout
