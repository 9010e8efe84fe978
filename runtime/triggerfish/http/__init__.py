"""The web side of the host: function routes and the admin endpoints."""
