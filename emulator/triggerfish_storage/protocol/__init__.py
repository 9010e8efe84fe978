"""What all three services share of the REST protocol."""
