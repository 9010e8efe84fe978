-- Removing a backlog checks that no queue refers to it, which must not go through all queues.
CREATE INDEX queue_backlog ON queue (backlog_id);
