-- Tables and their entities. Instants are microseconds since 1970.

-- A table's name is compared without case, and shown as it was written when it was created.
-- A deleted table keeps its row until its entities are purged: then ``account`` is empty.
CREATE TABLE entity_table (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    account TEXT NOT NULL,
    folded TEXT NOT NULL,
    name TEXT NOT NULL,
    policies TEXT NOT NULL DEFAULT '[]',
    UNIQUE (account, folded)
) STRICT;

-- ``modified`` grows with every write of an entity: it is its Timestamp and its etag.
-- ``properties`` is the inside of a JSON object, as it goes over the wire.
CREATE TABLE entity (
    id INTEGER PRIMARY KEY,
    table_id INTEGER NOT NULL REFERENCES entity_table (id),
    partition_key TEXT NOT NULL,
    row_key TEXT NOT NULL,
    modified INTEGER NOT NULL,
    properties TEXT NOT NULL,
    UNIQUE (table_id, partition_key, row_key)
) STRICT;
