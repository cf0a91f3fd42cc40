/** What a person asks for by the sqlite3 shell (docs/schema.md): names instead of keys, text instead of ns. */

const KEYS = "BETWEEN (run.id << 40) AND (run.id << 40) + 0xffffffffff";

/** ISO 8601 to the ms, UTC. */
function time(column: string): string {
  return `strftime('%Y-%m-%dT%H:%M:%fZ', ${column} / 1e9, 'unixepoch')`;
}

/** Rows of a table with their run's name. */
function view(name: string, table: string, columns: string): string {
  return `CREATE VIEW ${name} AS SELECT run.name AS run, ${columns}
    FROM run JOIN ${table} AS r ON r.key ${KEYS} WHERE NOT run.deleted;`;
}

export const views = `
CREATE VIEW runs AS SELECT run.name AS run, run.state, ${time("run.start_ns")} AS started,
    CASE WHEN max(s.last_ns) > 0 THEN ${time("max(s.last_ns)")} END AS last_row,
    CASE WHEN run.end_ns > 0 THEN ${time("run.end_ns")} END AS ended,
    (SELECT group_concat(tag, ' ') FROM run_tag WHERE run_tag.run = run.id) AS tags,
    run.note, run.reason, run.metadata,
    sum(s.steps) AS steps, sum(s.episodes) AS episodes, sum(s.samples) AS samples,
    sum(s.logs) AS logs, sum(s.histograms) AS histograms, sum(s.checkpoints) AS checkpoints
  FROM run LEFT JOIN stream AS s ON s.run = run.id WHERE NOT run.deleted GROUP BY run.id;

${
  view(
    "steps",
    "step_row",
    `r.step, ${time("r.time_ns")} AS time, r.time_ns, r.episode, r.reward,
    r.flags & 1 AS terminated, r.flags >> 1 & 1 AS truncated, r.extra`,
  )
}
${
  view(
    "episodes",
    "episode_row",
    `r.episode, ${time("r.start_ns")} AS started, ${time("r.end_ns")} AS ended,
    (r.end_ns - r.start_ns) / 1e9 AS seconds, r.first_step, r.length, r.episode_return,
    r.flags & 1 AS terminated, r.flags >> 1 & 1 AS truncated, r.extra`,
  )
}
${
  view(
    "logs",
    "log_row",
    `${time("r.time_ns")} AS time, r.time_ns,
    CASE r.level WHEN 1 THEN 'debug' WHEN 3 THEN 'warning' WHEN 4 THEN 'error' ELSE 'info' END AS level,
    r.source, r.text, r.step`,
  )
}
${view("params_given", "param_row", `r.name, r.value, ${time("r.time_ns")} AS time`)}
${
  view(
    "histograms",
    "histogram_row",
    `r.series, ${time("r.time_ns")} AS time, r.time_ns, r.step, r.edges, r.counts`,
  )
}
${
  view(
    "checkpoints",
    "checkpoint_row",
    `r.name, ${time("r.time_ns")} AS time, r.step, r.size, r.sha256, r.metadata`,
  )
}

CREATE VIEW params AS SELECT run.name AS run, r.name, r.value, ${time("r.time_ns")} AS time
  FROM run JOIN param_row AS r ON r.key ${KEYS}
  WHERE NOT run.deleted AND NOT EXISTS (SELECT 1 FROM param_row AS later
    WHERE later.key > r.key AND later.key ${KEYS} AND later.name = r.name);

CREATE VIEW samples_recent AS SELECT run.name AS run, series.name AS series,
    ${time("r.time_ns")} AS time, r.time_ns, r.step, r.value
  FROM run JOIN sample_row AS r ON r.key ${KEYS} JOIN series ON series.id = r.series
  WHERE NOT run.deleted AND r.key > ifnull(
    (SELECT max(b.key + b.samples - 1) FROM sample_block AS b WHERE b.key ${KEYS}), 0);

CREATE VIEW samples_chunks AS SELECT run.name AS run, series.name AS series,
    ${time("c.first_ns")} AS first, ${time("c.last_ns")} AS last, c.first_ns, c.last_ns,
    c.last_step, c.samples, c.min, c.max, c.mean, c.last AS last_value
  FROM run JOIN series ON series.run = run.id
    JOIN sample_chunk AS c ON c.key BETWEEN (series.id << 40) AND (series.id << 40) + 0xffffffffff
  WHERE NOT run.deleted;

CREATE VIEW scalars AS SELECT run, series, sum(samples) AS samples, min(min) AS min, max(max) AS max,
    sum(mean * samples) / sum(samples) AS mean, ${time("min(first_ns)")} AS first,
    ${time("max(last_ns)")} AS last
  FROM (
    SELECT run, series, samples, min, max, mean, first_ns, last_ns FROM samples_chunks
    UNION ALL
    SELECT run, series, count(*), min(value), max(value), avg(value), min(time_ns), max(time_ns)
    FROM samples_recent GROUP BY run, series
  ) GROUP BY run, series;
`;
