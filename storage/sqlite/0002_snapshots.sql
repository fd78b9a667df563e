-- Which of a job's openids were on a list that WeChat keeps, before the job ran. The marks are sealed.
CREATE TABLE snapshots(
    job INTEGER NOT NULL PRIMARY KEY REFERENCES jobs(n) ON DELETE CASCADE,
    taken_ms INTEGER NOT NULL,
    batches INTEGER NOT NULL,
    listed INTEGER NOT NULL,
    total INTEGER NOT NULL,
    undo_id TEXT NOT NULL);

CREATE TABLE snapshot_parts(
    job INTEGER NOT NULL REFERENCES jobs(n) ON DELETE CASCADE,
    part INTEGER NOT NULL,
    marks BLOB NOT NULL,
    PRIMARY KEY(job, part)) WITHOUT ROWID;
