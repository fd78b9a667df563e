CREATE TABLE meta(name TEXT NOT NULL PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID;

-- 'lease_floor': no lease that starts anew gets a fence up to it.
CREATE TABLE counters(name TEXT NOT NULL PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;

-- Open handles. Each holds an exclusive lock on its byte of the lock file for as long as it lives.
CREATE TABLE owners(
    byte INTEGER NOT NULL PRIMARY KEY,
    nonce TEXT NOT NULL,
    boot TEXT NOT NULL,
    pid INTEGER NOT NULL,
    since_ms INTEGER NOT NULL);

CREATE TABLE leases(
    name TEXT NOT NULL PRIMARY KEY,
    fence INTEGER NOT NULL,
    owner INTEGER NOT NULL,
    nonce TEXT NOT NULL,
    boot TEXT NOT NULL,
    until_boot_ms INTEGER NOT NULL,
    taken_ms INTEGER NOT NULL) WITHOUT ROWID;

CREATE TABLE platforms(
    component_appid TEXT NOT NULL PRIMARY KEY,
    appsecret BLOB NOT NULL,
    push_token BLOB NOT NULL,
    aes_key BLOB NOT NULL,
    previous_push_token BLOB NOT NULL,
    previous_aes_key BLOB NOT NULL,
    updated_ms INTEGER NOT NULL) WITHOUT ROWID;

CREATE TABLE tickets(
    component_appid TEXT NOT NULL PRIMARY KEY,
    ticket BLOB NOT NULL,
    create_time_s INTEGER NOT NULL,
    received_ms INTEGER NOT NULL) WITHOUT ROWID;

CREATE TABLE tenants(
    platform TEXT NOT NULL,
    appid TEXT NOT NULL,
    credential INTEGER NOT NULL CHECK(credential BETWEEN 0 AND 2),
    status INTEGER NOT NULL CHECK(status BETWEEN 0 AND 3),
    account INTEGER NOT NULL,
    service_type INTEGER NOT NULL,
    verify_type INTEGER NOT NULL,
    account_status INTEGER NOT NULL,
    permission_sets TEXT NOT NULL,
    nick_name TEXT NOT NULL,
    principal_name TEXT NOT NULL,
    user_name TEXT NOT NULL,
    certified INTEGER NOT NULL CHECK(certified BETWEEN -1 AND 1),
    override_certified INTEGER NOT NULL,
    declared_certified INTEGER NOT NULL,
    observed_certified INTEGER NOT NULL,
    profile_ms INTEGER NOT NULL,
    status_ms INTEGER NOT NULL,
    event_time_s INTEGER NOT NULL,
    appsecret BLOB NOT NULL,
    token_file TEXT NOT NULL,
    token_of_platform INTEGER NOT NULL,
    removed INTEGER NOT NULL CHECK(removed IN (0, 1)),
    used_ms INTEGER NOT NULL,
    created_ms INTEGER NOT NULL,
    updated_ms INTEGER NOT NULL,
    PRIMARY KEY(platform, appid)) WITHOUT ROWID;
CREATE INDEX tenants_by_appid ON tenants(platform, removed, credential, appid);
CREATE INDEX tenants_by_filter ON tenants(platform, removed, credential, certified, status, appid);

CREATE TABLE tokens(
    platform TEXT NOT NULL,
    appid TEXT NOT NULL,
    generation INTEGER NOT NULL,
    access BLOB NOT NULL,
    refresh BLOB NOT NULL,
    issued_ms INTEGER NOT NULL,
    expires_ms INTEGER NOT NULL,
    due_ms INTEGER NOT NULL,
    refused_generation INTEGER NOT NULL,
    early_refusals TEXT NOT NULL,
    forced_day INTEGER NOT NULL,
    forced_count INTEGER NOT NULL,
    forced_ms INTEGER NOT NULL,
    PRIMARY KEY(platform, appid)) WITHOUT ROWID;
CREATE INDEX tokens_by_due ON tokens(platform, due_ms, appid, generation);

CREATE TABLE spares(
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    platform TEXT NOT NULL,
    appid TEXT NOT NULL,
    refresh BLOB NOT NULL,
    added_ms INTEGER NOT NULL);
CREATE INDEX spares_by_key ON spares(platform, appid);

CREATE TABLE intents(
    platform TEXT NOT NULL,
    appid TEXT NOT NULL,
    generation INTEGER NOT NULL,
    fence INTEGER NOT NULL,
    started_ms INTEGER NOT NULL,
    attempts INTEGER NOT NULL,
    PRIMARY KEY(platform, appid)) WITHOUT ROWID;

CREATE TABLE codes(
    platform TEXT NOT NULL,
    digest BLOB NOT NULL,
    appid TEXT NOT NULL,
    code BLOB NOT NULL,
    state INTEGER NOT NULL CHECK(state BETWEEN 0 AND 3),
    create_time_s INTEGER NOT NULL,
    received_ms INTEGER NOT NULL,
    expires_ms INTEGER NOT NULL,
    PRIMARY KEY(platform, digest)) WITHOUT ROWID;
CREATE INDEX codes_open ON codes(platform, received_ms) WHERE state IN (0, 1);
CREATE INDEX codes_by_age ON codes(received_ms);

CREATE TABLE pushes(
    platform TEXT NOT NULL,
    digest BLOB NOT NULL,
    received_ms INTEGER NOT NULL,
    PRIMARY KEY(platform, digest)) WITHOUT ROWID;
CREATE INDEX pushes_by_age ON pushes(received_ms);

CREATE TABLE jobs(
    n INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    platform TEXT NOT NULL,
    appid TEXT NOT NULL,
    call TEXT NOT NULL,
    state INTEGER NOT NULL CHECK(state BETWEEN 0 AND 5),
    paused_by INTEGER NOT NULL,
    cancel_requested INTEGER NOT NULL,
    forced INTEGER NOT NULL,
    requested INTEGER NOT NULL,
    duplicates INTEGER NOT NULL,
    succeeded INTEGER NOT NULL,
    invalid INTEGER NOT NULL,
    failed INTEGER NOT NULL,
    pending INTEGER NOT NULL,
    asked INTEGER NOT NULL,
    unknown_streak INTEGER NOT NULL,
    calls INTEGER NOT NULL,
    token_refreshes INTEGER NOT NULL,
    created_ms INTEGER NOT NULL,
    updated_ms INTEGER NOT NULL,
    finished_ms INTEGER NOT NULL,
    elapsed_ms INTEGER NOT NULL,
    error_kind TEXT NOT NULL,
    error_message TEXT NOT NULL,
    error_hint TEXT NOT NULL,
    error_rid TEXT NOT NULL,
    error_errcode INTEGER NOT NULL);
CREATE INDEX jobs_by_age ON jobs(platform, created_ms, id);
CREATE INDEX jobs_by_account ON jobs(platform, appid, created_ms, id);
CREATE INDEX jobs_unfinished ON jobs(platform, created_ms, id) WHERE state IN (0, 1, 2);
CREATE INDEX jobs_finished ON jobs(finished_ms) WHERE state IN (3, 4, 5);

CREATE TABLE batches(
    job INTEGER NOT NULL REFERENCES jobs(n) ON DELETE CASCADE,
    number INTEGER NOT NULL,
    openids TEXT NOT NULL,
    count INTEGER NOT NULL,
    PRIMARY KEY(job, number)) WITHOUT ROWID;

-- How far a batch has come; without a row none of its openids is tested. Apart from the openids, which need not be
-- written again.
CREATE TABLE marks(
    job INTEGER NOT NULL,
    number INTEGER NOT NULL,
    marks TEXT NOT NULL,
    finished INTEGER NOT NULL CHECK(finished IN (0, 1)),
    PRIMARY KEY(job, number),
    FOREIGN KEY(job, number) REFERENCES batches(job, number) ON DELETE CASCADE) WITHOUT ROWID;
CREATE VIEW marked_batches AS
    SELECT b.job AS job, b.number AS number, b.openids AS openids,
        coalesce(m.marks, substr('....................', 1, b.count)) AS marks, coalesce(m.finished, 0) AS finished
    FROM batches b LEFT JOIN marks m ON m.job = b.job AND m.number = b.number;

CREATE TABLE exceptions(
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    job INTEGER NOT NULL REFERENCES jobs(n) ON DELETE CASCADE,
    openid TEXT NOT NULL,
    verdict INTEGER NOT NULL CHECK(verdict IN (0, 1)),
    errcode INTEGER NOT NULL,
    errmsg TEXT NOT NULL);
CREATE INDEX exceptions_by_job ON exceptions(job, verdict);

CREATE TABLE holds(
    platform TEXT NOT NULL,
    appid TEXT NOT NULL,
    call TEXT NOT NULL,
    kind INTEGER NOT NULL CHECK(kind IN (0, 1)),
    errcode INTEGER NOT NULL,
    since_ms INTEGER NOT NULL,
    until_ms INTEGER NOT NULL,
    interval_ms INTEGER NOT NULL,
    PRIMARY KEY(platform, appid, kind, call)) WITHOUT ROWID;

-- An id is the time in microseconds, or one more than the id before: the rows lie in the order of time.
CREATE TABLE audit(
    id INTEGER PRIMARY KEY,
    time_ms INTEGER NOT NULL,
    platform TEXT NOT NULL,
    appid TEXT NOT NULL,
    call TEXT NOT NULL,
    job TEXT NOT NULL,
    openids INTEGER NOT NULL,
    errcode INTEGER NOT NULL,
    errmsg TEXT NOT NULL,
    rid TEXT NOT NULL,
    duration_ms INTEGER NOT NULL,
    token_generation INTEGER NOT NULL);
CREATE INDEX audit_by_account ON audit(platform, appid);
