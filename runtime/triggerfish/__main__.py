"""``python -m triggerfish``: the same as the command ``triggerfish``."""

import sys

if not sys.flags.safe_path:
    del sys.path[0]  # the folder one is in, mostly the app's: its queue.py is not for us

from triggerfish.cli.entry import triggerfish

triggerfish()
