-- Whether a container holds blobs that must not go is asked when it is deleted.

CREATE INDEX blob_guarded ON blob (container_id)
    WHERE legal_hold <> 0 OR immutable_until IS NOT NULL;
