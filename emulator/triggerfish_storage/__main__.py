"""``python -m triggerfish_storage`` is ``triggerfish storage``."""

from triggerfish_storage.cli.storage import storage

storage(prog_name="triggerfish storage")
