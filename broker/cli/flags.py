"""The settings as flags."""

import argparse
import os
from pathlib import Path

from broker.settings import Settings, described, load


def add_settings(parser: argparse.ArgumentParser) -> None:
    """Add a flag for every setting, and one for the settings file."""
    parser.add_argument("--config", type=Path, metavar="FILE", help="settings file (TOML)")
    for setting in described():
        text = f"{setting.text} ({setting.variable}; default {setting.default!r})"
        if isinstance(setting.default, bool):
            parser.add_argument(setting.flag, action="store_true", default=None, help=text)
        else:
            parser.add_argument(setting.flag, metavar="VALUE", help=text.replace("%", "%%"))


def settings_of(called: argparse.Namespace) -> Settings:
    """The settings that flags, variables and the file make together."""
    names = [setting.name for setting in described()]
    flags = {name: getattr(called, name) for name in names}
    return load(flags, os.environ, called.config)
