-- Whether a blob has snapshots is asked when it is deleted, which must not go through all that it
-- was before: versions, and what soft delete keeps.

CREATE INDEX blob_snapshots ON blob (container_id, name, snapshot)
    WHERE snapshot < 9223372036854775807 AND snapshot <> created AND deleted IS NULL;
