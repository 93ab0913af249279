"""The URL table of existing interfaces: one block for each."""

from aiohttp import web


def add_compat(app: web.Application) -> None:
    """The routes of every existing interface, with and without their prefixes."""
