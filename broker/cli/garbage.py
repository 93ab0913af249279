"""When the gateway looks for garbage that only a search finds: rarely.

Nearly everything goes when nobody refers to it any more. What refers to itself in a circle has to
be searched for, and a search through everything stops all clients for as long as it takes: 0.3 s
with 10,000 of them. The interpreter would begin one whenever there is a quarter more of what lives
long, so mostly when many clients come at once.
"""

import gc
from typing import Final

_YOUNG: Final = 5_000
"""Objects made, and not gone again, until these are searched ..."""
_MIDDLE: Final = 20
"""... how often, until those left over are searched once more ..."""
_OLD: Final = 50
"""... and how often that, until everything is: five million objects more."""


def search_rarely() -> None:
    """Search what is new as ever and the rest rarely; what the program itself is made of, never."""
    gc.freeze()
    gc.set_threshold(_YOUNG, _MIDDLE, _OLD)
