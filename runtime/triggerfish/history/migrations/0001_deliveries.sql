-- Deliveries, newest last; instants are microseconds since 1970. A delivery is one row, because
-- one insert is what it may cost; what does not fit there lies in the other two tables.

CREATE TABLE delivery (
    number INTEGER PRIMARY KEY,
    id TEXT NOT NULL,
    event TEXT NOT NULL,        -- what all deliveries of one message or blob version share
    function TEXT NOT NULL,
    trigger TEXT NOT NULL,
    source TEXT NOT NULL,
    at INTEGER NOT NULL,
    attempt INTEGER NOT NULL,
    status TEXT NOT NULL,
    duration_us INTEGER,        -- null until it has ended
    tries INTEGER NOT NULL,
    failure TEXT,               -- JSON [kind, type, message, traceback]
    poisoned TEXT NOT NULL,
    replay_of TEXT NOT NULL,
    payload_size INTEGER NOT NULL,
    payload BLOB,               -- null where it lies in large_payload
    details TEXT NOT NULL       -- JSON {reason, metadata, outputs, lines, lost}
) STRICT;

CREATE TABLE large_payload (
    number INTEGER PRIMARY KEY,
    payload BLOB NOT NULL
) STRICT;

-- What became known after the row was written, as details.
CREATE TABLE addition (
    id INTEGER PRIMARY KEY,
    number INTEGER NOT NULL,
    details TEXT NOT NULL
) STRICT;

CREATE INDEX addition_by_number ON addition (number);

-- Ids are random. One index over all of them would make every insert touch another page, which
-- costs more than the insert; in parts of 4096 deliveries the pages in use are few, and a look-up
-- that asks each part costs less than a millisecond.
CREATE INDEX delivery_by_id ON delivery (number >> 12, id);
CREATE INDEX delivery_by_event ON delivery (number >> 12, event) WHERE event <> '';

CREATE INDEX delivery_by_function ON delivery (function);
CREATE INDEX delivery_not_succeeded ON delivery (status) WHERE status <> 'succeeded';

-- Enough to find where an instant lies in the order of numbers.
CREATE INDEX delivery_milestone ON delivery (at) WHERE number & 63 = 0;

-- All parts of the indexes by id and event, newest first.
CREATE VIEW part (part) AS
WITH RECURSIVE part (part) AS (
    SELECT max(number) >> 12 FROM delivery
    UNION ALL
    SELECT part - 1 FROM part WHERE part > (SELECT min(number) >> 12 FROM delivery)
)
SELECT part FROM part;

CREATE VIEW payload (number, payload) AS
SELECT number, coalesce(
    payload, (SELECT payload FROM large_payload WHERE large_payload.number = delivery.number)
) FROM delivery;

-- What a list shows of a delivery.
CREATE VIEW summary AS
SELECT
    number, id, event, function, trigger, source, at, attempt, status, duration_us, tries, failure,
    poisoned, replay_of, payload_size, substr(coalesce(
        payload, (SELECT payload FROM large_payload WHERE large_payload.number = delivery.number)
    ), 1, 120) AS preview
FROM delivery;
