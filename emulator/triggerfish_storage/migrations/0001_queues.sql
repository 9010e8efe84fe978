-- Queues and their messages. Instants are microseconds since 1970.

CREATE TABLE queue (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    account TEXT NOT NULL,
    name TEXT NOT NULL,
    metadata TEXT NOT NULL DEFAULT '{}',
    policies TEXT NOT NULL DEFAULT '[]',
    UNIQUE (account, name)
) STRICT;
