"""A few things kept by name, the least recently used making room."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import Final, Generic, TypeVar

T = TypeVar("T")

_KEPT: Final = 256


class Recent(Generic[T]):
    """Makes what is asked for by name, and keeps the last ones: names may be without end."""

    def __init__(self, make: Callable[[str], T]) -> None:
        self._make = make
        self._kept: OrderedDict[str, T] = OrderedDict()

    def __getitem__(self, name: str) -> T:
        found = self._kept.get(name)
        if found is None:
            found = self._kept[name] = self._make(name)
            if len(self._kept) > _KEPT:
                self._kept.popitem(last=False)
        else:
            self._kept.move_to_end(name)
        return found
