"""Whole accounts out of, and into, whatever a connection string names, by requests alone."""
