"""The Queue service: rules, wire format and operations."""
