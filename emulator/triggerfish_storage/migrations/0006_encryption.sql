-- With whose key something is encrypted, as JSON: NULL is the account's own key. Of a container it is
-- which scope its blobs have by default.

ALTER TABLE container ADD COLUMN encryption TEXT;
ALTER TABLE blob ADD COLUMN encryption TEXT;
ALTER TABLE block ADD COLUMN encryption TEXT;
