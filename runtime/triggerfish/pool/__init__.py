"""The worker pool: child processes that have loaded one state of the app, and run it."""
