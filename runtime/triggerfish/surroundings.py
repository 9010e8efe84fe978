"""What lives as long as the host, for every state of the app to work with. A value; no logic."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import tzinfo

from triggerfish.config.app_config import AppConfig
from triggerfish.history.ledger import Ledger
from triggerfish.listeners.blob_receipts import Receipts
from triggerfish.listeners.locks import Locks
from triggerfish.model import Log
from triggerfish.pool.options import PoolOptions
from triggerfish.pool.spare import Spare
from triggerfish.storage.account import Account
from triggerfish.storage.choose import Accounts
from triggerfish_storage.clock import Clock


@dataclass(frozen=True, slots=True)
class Surroundings:
    """``spare`` is None where no worker is kept in reserve; ``zone`` is that of the timers."""

    config: AppConfig
    pool: PoolOptions
    spare: Spare | None
    accounts: Accounts
    host_account: Account
    host_id: str
    ledger: Ledger
    receipts: Receipts
    locks: Locks
    zone: tzinfo
    clock: Clock
    log: Log
