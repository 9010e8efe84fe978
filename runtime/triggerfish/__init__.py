"""Run Azure Functions apps written in Python on one machine: host, history and replay."""

__version__ = "0.1.0"
