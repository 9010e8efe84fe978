"""Handlers of the Blob service: one small function per documented operation."""
