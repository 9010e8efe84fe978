"""The Blob service: rules, wire format and operations."""
