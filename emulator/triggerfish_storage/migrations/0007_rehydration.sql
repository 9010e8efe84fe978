-- Into which tier, how urgently and until when a blob is brought back from the archive, as JSON.

ALTER TABLE blob ADD COLUMN rehydration TEXT;
