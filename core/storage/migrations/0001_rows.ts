/**
 * The first schema (docs/schema.md). The rows of a kind stand in one plain table with no second index, so that
 * appending stays cheap: `key` = run · 2^40 + n, where n counts the run's rows of that kind from 1, so that a run's
 * rows are one range of keys in the order of their commits.
 */
export const rows = `
CREATE TABLE run (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  name TEXT NOT NULL,
  state TEXT NOT NULL,
  start_ns INTEGER NOT NULL,
  end_ns INTEGER NOT NULL,
  note TEXT NOT NULL,
  metadata TEXT NOT NULL,
  reason TEXT NOT NULL,
  deleted INTEGER NOT NULL
);
CREATE UNIQUE INDEX run_by_name ON run (name) WHERE NOT deleted;
CREATE INDEX run_by_start ON run (start_ns, id);

CREATE TABLE run_tag (run INTEGER NOT NULL, tag TEXT NOT NULL, PRIMARY KEY (run, tag)) WITHOUT ROWID;

-- One for each client process and run, with the last sequence that it has committed of each kind of row.
CREATE TABLE stream (
  id INTEGER PRIMARY KEY,
  run INTEGER NOT NULL,
  uuid TEXT NOT NULL,
  last_ns INTEGER NOT NULL DEFAULT 0,
  steps INTEGER NOT NULL DEFAULT 0,
  episodes INTEGER NOT NULL DEFAULT 0,
  samples INTEGER NOT NULL DEFAULT 0,
  logs INTEGER NOT NULL DEFAULT 0,
  params INTEGER NOT NULL DEFAULT 0,
  histograms INTEGER NOT NULL DEFAULT 0,
  checkpoints INTEGER NOT NULL DEFAULT 0
);
CREATE INDEX stream_by_run ON stream (run);
CREATE INDEX stream_by_uuid ON stream (uuid);

-- With what stands in chunks of each.
CREATE TABLE series (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  run INTEGER NOT NULL,
  name TEXT NOT NULL,
  samples INTEGER NOT NULL DEFAULT 0,
  first_ns INTEGER,
  last_ns INTEGER,
  last_value REAL,
  UNIQUE (run, name)
);

CREATE TABLE step_row (
  key INTEGER PRIMARY KEY,
  step INTEGER NOT NULL,
  time_ns INTEGER NOT NULL,
  episode INTEGER NOT NULL,
  reward REAL,            -- NULL is NaN
  flags INTEGER NOT NULL, -- bit 0 terminated, bit 1 truncated
  extra TEXT              -- a JSON object
);
CREATE TABLE episode_row (
  key INTEGER PRIMARY KEY,
  episode INTEGER NOT NULL,
  start_ns INTEGER NOT NULL,
  end_ns INTEGER NOT NULL,
  first_step INTEGER NOT NULL,
  length INTEGER NOT NULL,
  episode_return REAL,    -- NULL is NaN
  flags INTEGER NOT NULL,
  extra TEXT
);
CREATE TABLE sample_row (
  key INTEGER PRIMARY KEY,
  series INTEGER NOT NULL,
  time_ns INTEGER NOT NULL,
  step INTEGER,
  value REAL              -- NULL is NaN
);

-- Samples that are chunks now: the rows of the run from \`key\` on. What still stands of them in sample_row counts no more.
CREATE TABLE sample_block (
  key INTEGER PRIMARY KEY,  -- of its first row
  samples INTEGER NOT NULL,
  min_ns INTEGER NOT NULL,
  max_ns INTEGER NOT NULL,
  min_step INTEGER,
  max_step INTEGER
);
-- Times, steps and places in the block, which series that are logged together share.
CREATE TABLE sample_axis (
  key INTEGER PRIMARY KEY,  -- the block's, plus a number
  axis BLOB NOT NULL
);
-- Of a block's chunks what charts need (envelope.ts).
CREATE TABLE sample_envelope (
  key INTEGER PRIMARY KEY,  -- the block's
  envelope BLOB NOT NULL
);
-- The samples of one series in one block; key = series · 2^40 + the number of the block's first row.
CREATE TABLE sample_chunk (
  key INTEGER PRIMARY KEY,
  axis INTEGER NOT NULL,
  place INTEGER NOT NULL,   -- row of the block that holds its first sample, from 0
  samples INTEGER NOT NULL,
  first_ns INTEGER NOT NULL,
  last_ns INTEGER NOT NULL,
  last_step INTEGER,
  min REAL,                 -- NULL: all of them are NaN
  max REAL,
  mean REAL,
  last REAL                 -- NULL is NaN
);
CREATE TABLE sample_values (
  key INTEGER PRIMARY KEY,  -- the chunk's
  value BLOB NOT NULL
);

CREATE TABLE log_row (
  key INTEGER PRIMARY KEY,
  time_ns INTEGER NOT NULL,
  level INTEGER NOT NULL, -- 1 debug, 2 info, 3 warning, 4 error
  source TEXT NOT NULL,
  text TEXT NOT NULL,
  step INTEGER
);
CREATE TABLE param_row (
  key INTEGER PRIMARY KEY,
  name TEXT NOT NULL,
  value TEXT NOT NULL,    -- JSON
  time_ns INTEGER NOT NULL
);
CREATE TABLE histogram_row (
  key INTEGER PRIMARY KEY,
  series TEXT NOT NULL,
  time_ns INTEGER NOT NULL,
  step INTEGER,
  edges BLOB NOT NULL,    -- little-endian f64
  counts BLOB NOT NULL    -- little-endian u64
);
CREATE TABLE checkpoint_row (
  key INTEGER PRIMARY KEY,
  name TEXT NOT NULL,
  time_ns INTEGER NOT NULL,
  step INTEGER,
  size INTEGER NOT NULL,
  sha256 TEXT NOT NULL,
  metadata TEXT
);
`;
