"""Which scripts a page of the dashboard needs before it shows itself, so that they are asked for
at once. A browser would learn of each from the one that imports it, some five answers deep. Pure.
"""

import posixpath
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Final

FIRST: Final = ("app.js", "core/worker.js")
"""What every page needs: the script that the document names, and the worker that it begins."""

_PAGES: Final[Mapping[str, str]] = {
    "": "pages/list/page.js",
    "runs": "pages/run/page.js",
    "compare": "pages/compare/page.js",
    "share": "pages/share/page.js",
}
"""What `app.js` loads, by the first part of the address."""
_STEPS: Final = "steps"
_TABS: Final[Mapping[str, str]] = {
    _STEPS: "pages/run/steps/tab.js",
    "timeline": "pages/run/timeline/tab.js",
    "graph": "pages/run/graph/tab.js",
    "logs": "pages/run/logs/tab.js",
    "artefacts": "pages/run/artefacts.js",
    "events": "pages/run/events/tab.js",
}
"""What the page of a run loads, by `tab=`."""
_IMPORT: Final = re.compile(
    r"""^(?:import|export)\b(?:[^"'();=]*\sfrom)?\s*["'](\.{1,2}/[^"']+)["']""", re.MULTILINE
)
"""A static import; `import(…)` is loaded when it is needed."""


def needed(path: str, tab: str | None) -> tuple[str, ...]:
    """The scripts that show the page at an address, beside those that they import themselves."""
    first = path.split("/", 2)[1]
    page = _PAGES.get(first)
    if page is None:
        return FIRST
    if first == "runs":
        return (*FIRST, page, _TABS.get(tab or _STEPS, _TABS[_STEPS]))
    return (*FIRST, page, _TABS[_STEPS]) if first == "share" else (*FIRST, page)


def all_needed() -> Iterator[tuple[str, ...]]:
    """Every answer that `needed` has."""
    yield FIRST
    for first in _PAGES:
        for tab in _TABS if first == "runs" else (None,):
            yield needed(f"/{first}", tab)


def closure(sources: Mapping[str, bytes], wanted: Iterable[str]) -> list[str]:
    """The given scripts, each with all that it imports before the next, and each once."""
    found: list[str] = []
    for script in wanted:
        queue = [script]
        for name in queue:
            if name not in sources or name in found:
                continue
            found.append(name)
            folder = posixpath.dirname(name)
            queue += [
                posixpath.normpath(posixpath.join(folder, imported))
                for imported in imports(sources[name].decode())
            ]
    return found


def imports(source: str) -> list[str]:
    """The relative addresses that a script imports as it begins."""
    return _IMPORT.findall(source)
