"""Runs in the interpreter of the function app: standard library and azure.functions only."""
