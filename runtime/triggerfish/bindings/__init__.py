"""One module for each kind of binding."""
