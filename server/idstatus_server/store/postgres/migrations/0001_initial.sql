-- One row: who this store is, and the ends of its log. Whoever locks it may write:
-- so revisions are dense and in the order of the commits.
CREATE TABLE idstatus.head (
  store_id text NOT NULL,
  revision bigint NOT NULL,
  compacted bigint NOT NULL,
  time bigint NOT NULL
);

INSERT INTO idstatus.head VALUES (left(replace(gen_random_uuid()::text, '-', ''), 16), 0, 0, 0);

-- One row: the process that runs the timers, and until when nobody else may.
CREATE TABLE idstatus.duty (holder text NOT NULL, until timestamptz NOT NULL);

INSERT INTO idstatus.duty VALUES ('', '-infinity');

-- A task as it stands. seq is the revision of its creation. doc is the whole task;
-- the other columns repeat what the indexes need.
CREATE TABLE idstatus.tasks (
  seq bigint PRIMARY KEY,
  id text COLLATE "C" NOT NULL UNIQUE,
  revision bigint NOT NULL,
  queue text COLLATE "C" NOT NULL,
  status smallint NOT NULL,
  priority smallint NOT NULL,
  queued_revision bigint NOT NULL,
  wake_time bigint,                -- delayed and running tasks
  end_time bigint,                 -- finished tasks
  unique_key text COLLATE "C",     -- unfinished tasks
  root_id text COLLATE "C",        -- retries
  doc text NOT NULL
);

CREATE INDEX tasks_claimable ON idstatus.tasks (queue, priority DESC, queued_revision) WHERE status = 2;
CREATE INDEX tasks_listed ON idstatus.tasks (queue, status, seq);
CREATE INDEX tasks_awake ON idstatus.tasks (status, wake_time) WHERE wake_time IS NOT NULL;
CREATE INDEX tasks_ended ON idstatus.tasks (queue, end_time) WHERE end_time IS NOT NULL;
CREATE UNIQUE INDEX tasks_unique_key ON idstatus.tasks (unique_key) WHERE unique_key IS NOT NULL;
CREATE INDEX tasks_root ON idstatus.tasks (root_id, seq) WHERE root_id IS NOT NULL;

-- The bytes that only runners read, written once each.
CREATE TABLE idstatus.payloads (seq bigint PRIMARY KEY, data bytea NOT NULL);
CREATE TABLE idstatus.results (seq bigint PRIMARY KEY, data bytea NOT NULL);

-- Every change, with the task before and after it.
CREATE TABLE idstatus.log (
  revision bigint PRIMARY KEY,
  unit bigint NOT NULL,
  kind smallint NOT NULL,
  seq bigint NOT NULL,
  time bigint NOT NULL,
  before text,
  after text NOT NULL
);

CREATE INDEX log_by_task ON idstatus.log (seq, revision);

-- Ids of deleted tasks, for an id is used once, and the retry that each had.
CREATE TABLE idstatus.used_ids (
  id text COLLATE "C" PRIMARY KEY,
  seq bigint NOT NULL,
  retried_by text NOT NULL
);

CREATE TABLE idstatus.queues (name text COLLATE "C" PRIMARY KEY, doc text NOT NULL);

CREATE TABLE idstatus.counts (
  queue text COLLATE "C" NOT NULL,
  status smallint NOT NULL,
  tasks bigint NOT NULL,
  PRIMARY KEY (queue, status)
);

-- What each request id was answered, in the order of time.
CREATE TABLE idstatus.requests (
  number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  request_id text COLLATE "C" NOT NULL UNIQUE,
  time bigint NOT NULL,
  fingerprint bytea NOT NULL,
  answer text NOT NULL
);
