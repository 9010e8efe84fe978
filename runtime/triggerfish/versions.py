"""The versions that Triggerfish states where programs ask for those of Azure's own tools.

Editors and scripts look at the first numbers only: 4 is the host whose behaviour is matched.
"""

from __future__ import annotations

from typing import Final

CORE_TOOLS_VERSION: Final = "4.2.2"
RUNTIME_VERSION: Final = "4.1042.100"
