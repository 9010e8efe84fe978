"""The storage port and its two implementations."""
