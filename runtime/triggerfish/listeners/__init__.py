"""One module for each kind of trigger that watches a source."""
