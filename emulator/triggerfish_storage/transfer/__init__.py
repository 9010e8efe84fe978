"""Whole accounts out of a data folder and into one: export, import, seed, snapshots."""
