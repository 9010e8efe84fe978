"""How a transfer fails: one message that names the file at fault and what to do."""

from __future__ import annotations


class TransferError(Exception):
    """An account could not be exported, imported, kept or restored."""
