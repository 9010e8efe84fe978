"""The Table service: rules, wire format and operations."""
