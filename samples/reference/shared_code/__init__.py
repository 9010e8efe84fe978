# This file makes the folder a package, which absolute imports ask for.
