"""``triggerfish storage``: the account as a program, and what is done with a whole account."""
