"""What the user has set: host.json, local.settings.json, the environment, the command line.

The only package that reads the environment. Behaviour: spec host-and-worker.md, 1 to 5.
"""
