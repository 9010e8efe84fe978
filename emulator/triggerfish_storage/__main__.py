"""``python -m triggerfish_storage`` is ``triggerfish storage``."""

from triggerfish_storage.cli import storage

storage(prog_name="triggerfish storage")
