"""``python -m triggerfish``: the same as the command ``triggerfish``."""

from triggerfish.cli.main import main

main()
