-- Queues and their messages, and the properties that clients set on any of the services.
-- Instants are microseconds since 1970. A queue's messages belong to its backlog: clearing or
-- deleting a queue only discards the backlog, whose rows are removed bit by bit afterwards, so
-- that neither holds up the writer however many messages there are.

CREATE TABLE service (
    account TEXT NOT NULL,
    name TEXT NOT NULL,
    properties TEXT NOT NULL,
    PRIMARY KEY (account, name)
) STRICT, WITHOUT ROWID;

CREATE TABLE backlog (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    messages INTEGER NOT NULL DEFAULT 0,
    discarded INTEGER NOT NULL DEFAULT 0
) STRICT;

CREATE INDEX backlog_discarded ON backlog (id) WHERE discarded = 1;

CREATE TABLE queue (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    account TEXT NOT NULL,
    name TEXT NOT NULL,
    backlog_id INTEGER NOT NULL REFERENCES backlog (id),
    metadata TEXT NOT NULL,
    policies TEXT NOT NULL DEFAULT '[]',
    UNIQUE (account, name)
) STRICT;

-- The integers come first and the text last, so that taking a message overwrites a few bytes in
-- place. A message's id is made of ``seq`` and ``secret``, so no index is needed to find one.
CREATE TABLE message (
    seq INTEGER PRIMARY KEY,
    backlog_id INTEGER NOT NULL,
    visible_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    inserted_at INTEGER NOT NULL,
    secret INTEGER NOT NULL,
    receipt INTEGER NOT NULL,
    dequeue_count INTEGER NOT NULL DEFAULT 0,
    held INTEGER NOT NULL DEFAULT 0,
    text TEXT NOT NULL
) STRICT;

CREATE INDEX message_visible ON message (backlog_id, visible_at);
CREATE INDEX message_expiry ON message (expires_at);
CREATE INDEX message_held ON message (held) WHERE held = 1;
