-- One row: who this store is, and the ends of its log.
CREATE TABLE head (
  store_id TEXT NOT NULL,
  revision INTEGER NOT NULL,
  compacted INTEGER NOT NULL,
  time INTEGER NOT NULL
) STRICT;

INSERT INTO head VALUES (lower(hex(randomblob(8))), 0, 0, 0);

-- A task as it stands. seq is the revision of its creation. doc is the whole task;
-- the other columns repeat what the indexes need.
CREATE TABLE tasks (
  seq INTEGER PRIMARY KEY,
  id TEXT NOT NULL UNIQUE,
  revision INTEGER NOT NULL,
  queue TEXT NOT NULL,
  status INTEGER NOT NULL,
  priority INTEGER NOT NULL,
  queued_revision INTEGER NOT NULL,
  wake_time INTEGER,  -- delayed and running tasks
  end_time INTEGER,   -- finished tasks
  unique_key TEXT,    -- unfinished tasks
  root_id TEXT,       -- retries
  doc TEXT NOT NULL
) STRICT;

CREATE INDEX tasks_claimable ON tasks (queue, priority DESC, queued_revision) WHERE status = 2;
CREATE INDEX tasks_listed ON tasks (queue, status, seq);
CREATE INDEX tasks_awake ON tasks (status, wake_time) WHERE wake_time IS NOT NULL;
CREATE INDEX tasks_ended ON tasks (queue, end_time) WHERE end_time IS NOT NULL;
CREATE UNIQUE INDEX tasks_unique_key ON tasks (unique_key) WHERE unique_key IS NOT NULL;
CREATE INDEX tasks_root ON tasks (root_id, seq) WHERE root_id IS NOT NULL;

-- The bytes that only runners read, written once each.
CREATE TABLE payloads (seq INTEGER PRIMARY KEY, data BLOB NOT NULL) STRICT;
CREATE TABLE results (seq INTEGER PRIMARY KEY, data BLOB NOT NULL) STRICT;

-- Every change, with the task before and after it.
CREATE TABLE log (
  revision INTEGER PRIMARY KEY,
  unit INTEGER NOT NULL,
  kind INTEGER NOT NULL,
  seq INTEGER NOT NULL,
  time INTEGER NOT NULL,
  before TEXT,
  after TEXT NOT NULL
) STRICT;

CREATE INDEX log_by_task ON log (seq, revision);

-- Ids of deleted tasks, for an id is used once, and the retry that each had.
CREATE TABLE used_ids (
  id TEXT PRIMARY KEY,
  seq INTEGER NOT NULL,
  retried_by TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE queues (name TEXT PRIMARY KEY, doc TEXT NOT NULL) STRICT, WITHOUT ROWID;

CREATE TABLE counts (
  queue TEXT NOT NULL,
  status INTEGER NOT NULL,
  tasks INTEGER NOT NULL,
  PRIMARY KEY (queue, status)
) STRICT, WITHOUT ROWID;

-- What each request id was answered, in the order of time.
CREATE TABLE requests (
  number INTEGER PRIMARY KEY,
  request_id TEXT NOT NULL UNIQUE,
  time INTEGER NOT NULL,
  fingerprint BLOB NOT NULL,
  answer TEXT NOT NULL
) STRICT;
