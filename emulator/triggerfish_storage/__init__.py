"""An Azure Storage account on SQLite, served to real Azure SDKs. It knows nothing of functions."""
