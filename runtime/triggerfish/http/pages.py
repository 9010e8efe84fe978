"""The page at the root of the host."""

from __future__ import annotations

from html import escape


def home_page(state: str) -> str:
    """Return the page that says that the host is there, and how it is."""
    return f"""<!DOCTYPE html>
<html lang="en">
<head><meta charset="utf-8"><title>Triggerfish</title></head>
<body>
<h1>Your function app is up</h1>
<p>The host is in the state <b>{escape(state)}</b>.
See <a href="/admin/host/status">its status</a> and <a href="/admin/functions">its functions</a>.
</p>
</body>
</html>
"""
