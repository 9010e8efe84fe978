"""The ledger of deliveries and what is read from it."""
