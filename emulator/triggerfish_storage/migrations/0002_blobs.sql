-- Contents, containers, blobs and what belongs to them. Instants are microseconds since 1970.

-- Parts of blobs, and staged blocks. Small ones lie here, large ones in a file. ``uses`` counts the extents and blocks that
-- refer to a row; at zero it goes, and its file's name goes to ``discarded_file``.
CREATE TABLE content (
    id INTEGER PRIMARY KEY,
    uses INTEGER NOT NULL,
    data BLOB,
    file TEXT
) STRICT;
CREATE UNIQUE INDEX content_file ON content (file) WHERE file IS NOT NULL;

-- Files whose last use has been committed away and which are to be deleted.
CREATE TABLE discarded_file (
    name TEXT PRIMARY KEY
) STRICT, WITHOUT ROWID;

-- The last change number given out: etags grow with every write, also where the clock stands.
CREATE TABLE blob_change (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    number INTEGER NOT NULL
) STRICT;
INSERT INTO blob_change VALUES (1, 0);

-- A deleted container keeps its row until its blobs are purged: then ``account`` is empty.
CREATE TABLE container (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    account TEXT NOT NULL,
    name TEXT NOT NULL,
    etag INTEGER NOT NULL,
    modified INTEGER NOT NULL,
    metadata TEXT NOT NULL DEFAULT '{}',
    public_access TEXT NOT NULL DEFAULT '',
    policies TEXT NOT NULL DEFAULT '[]',
    lease_id TEXT,
    lease_seconds INTEGER,
    lease_until INTEGER,
    lease_breaking INTEGER,
    UNIQUE (account, name)
) STRICT;

-- ``snapshot`` is the instant of a snapshot; the blob itself has the greatest integer, so that
-- it lists behind its snapshots. ``deleted`` is set while soft-deleted, until ``expires``. ``data`` are all bytes of a
-- small blob; it comes last because listings do not read it. Without it, extents are the bytes.
CREATE TABLE blob (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    container_id INTEGER NOT NULL REFERENCES container (id),
    name TEXT NOT NULL,
    snapshot INTEGER NOT NULL,
    type TEXT NOT NULL,
    etag INTEGER NOT NULL,
    created INTEGER NOT NULL,
    modified INTEGER NOT NULL,
    length INTEGER NOT NULL,
    content_type TEXT NOT NULL,
    content_encoding TEXT NOT NULL,
    content_language TEXT NOT NULL,
    content_disposition TEXT NOT NULL,
    cache_control TEXT NOT NULL,
    content_md5 BLOB,
    metadata TEXT NOT NULL,
    tags TEXT NOT NULL,
    tier TEXT NOT NULL,
    tier_changed INTEGER,
    lease_id TEXT,
    lease_seconds INTEGER,
    lease_until INTEGER,
    lease_breaking INTEGER,
    sequence_number INTEGER NOT NULL,
    block_count INTEGER NOT NULL,
    sealed INTEGER NOT NULL,
    copy TEXT,
    immutable_until INTEGER,
    immutability_mode TEXT NOT NULL,
    legal_hold INTEGER NOT NULL,
    deleted INTEGER,
    expires INTEGER,
    data BLOB,
    UNIQUE (container_id, name, snapshot)
) STRICT;

CREATE INDEX blob_expires ON blob (expires) WHERE expires IS NOT NULL;

-- What a blob's bytes are: parts of contents in order; page blobs have gaps, which read as zeros.
CREATE TABLE extent (
    blob_id INTEGER NOT NULL REFERENCES blob (id),
    start INTEGER NOT NULL,
    length INTEGER NOT NULL,
    content_id INTEGER NOT NULL,
    content_offset INTEGER NOT NULL,
    block TEXT,
    PRIMARY KEY (blob_id, start)
) STRICT, WITHOUT ROWID;

-- Staged blocks, by blob name: the blob need not exist. ``id`` gives the order of arrival.
CREATE TABLE block (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    container_id INTEGER NOT NULL REFERENCES container (id),
    name TEXT NOT NULL,
    block TEXT NOT NULL,
    length INTEGER NOT NULL,
    content_id INTEGER NOT NULL,
    staged INTEGER NOT NULL,
    UNIQUE (container_id, name, block)
) STRICT;
CREATE INDEX block_staged ON block (staged);

-- Tags of blobs (snapshots are not found by tags), in the order that a search needs.
CREATE TABLE blob_tag (
    container_id INTEGER NOT NULL,
    key TEXT NOT NULL,
    value TEXT NOT NULL,
    blob_id INTEGER NOT NULL REFERENCES blob (id),
    PRIMARY KEY (container_id, key, value, blob_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX blob_tag_blob ON blob_tag (blob_id);
