"""Sortable ids: ULIDs, each greater than the one before, however fast they are made."""

from broker.model.ids import Ulids

__all__ = ["Ulids"]
