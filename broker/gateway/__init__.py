"""The HTTP edge, and the only importer of aiohttp's server. `app` is the composition root."""
