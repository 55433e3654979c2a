-- One file serves SQLite and PostgreSQL. SQLite takes any type name and keeps
-- what it is given: BYTEA stores blobs there, BIGINT and BOOLEAN integers.
-- Times are unix milliseconds UTC, 0 for none. Columns called sealed hold
-- ciphertext bound to their table and primary key.

-- +goose Up
CREATE TABLE employees (
    source       TEXT    NOT NULL,
    ref          TEXT    NOT NULL,
    digest       BYTEA   NOT NULL,
    start_day    TEXT    NOT NULL,
    journey_open BOOLEAN NOT NULL,
    observed_at  BIGINT  NOT NULL,
    seen_at      BIGINT  NOT NULL,
    missing      BIGINT  NOT NULL,
    sealed       BYTEA   NOT NULL, -- last: reading digests stops before it
    PRIMARY KEY (source, ref)
);

CREATE TABLE deliveries (
    source TEXT   NOT NULL,
    hash   TEXT   NOT NULL,
    at     BIGINT NOT NULL,
    PRIMARY KEY (source, hash)
);
CREATE INDEX deliveries_at ON deliveries (at);

CREATE TABLE quarantine (
    id     TEXT   NOT NULL PRIMARY KEY,
    source TEXT   NOT NULL,
    reason TEXT   NOT NULL,
    at     BIGINT NOT NULL,
    size   BIGINT NOT NULL,
    sealed BYTEA  NOT NULL
);
CREATE INDEX quarantine_at ON quarantine (at);

CREATE TABLE held (
    source TEXT   NOT NULL,
    ref    TEXT   NOT NULL,
    kind   TEXT   NOT NULL,
    since  BIGINT NOT NULL,
    sealed BYTEA  NOT NULL,
    PRIMARY KEY (source, ref, kind)
);
CREATE INDEX held_ref ON held (ref);

CREATE TABLE feeds (
    source       TEXT   NOT NULL PRIMARY KEY,
    position     BIGINT NOT NULL DEFAULT 0,
    last_try     BIGINT NOT NULL DEFAULT 0,
    last_good    BIGINT NOT NULL DEFAULT 0,
    last_full    BIGINT NOT NULL DEFAULT 0,
    last_seen    BIGINT NOT NULL DEFAULT 0,
    last_fault   TEXT   NOT NULL DEFAULT '',
    braked       BIGINT NOT NULL DEFAULT 0,
    brake_detail TEXT   NOT NULL DEFAULT '',
    brake_count  BIGINT NOT NULL DEFAULT 0,
    brake_allow  BIGINT NOT NULL DEFAULT 0
);

CREATE TABLE files (
    source  TEXT   NOT NULL,
    digest  TEXT   NOT NULL,
    outcome TEXT   NOT NULL,
    at      BIGINT NOT NULL,
    PRIMARY KEY (source, digest)
);

CREATE TABLE handshakes (
    source TEXT   NOT NULL,
    id     TEXT   NOT NULL,
    at     BIGINT NOT NULL,
    sealed BYTEA  NOT NULL,
    PRIMARY KEY (source, id)
);

CREATE TABLE counts (
    source TEXT   NOT NULL,
    hour   BIGINT NOT NULL,
    name   TEXT   NOT NULL,
    n      BIGINT NOT NULL,
    PRIMARY KEY (source, hour, name)
);

CREATE TABLE resources (
    source   TEXT   NOT NULL,
    id       TEXT   NOT NULL,
    key_hash TEXT   NOT NULL,
    name_key TEXT   NOT NULL,
    version  BIGINT NOT NULL,
    created  BIGINT NOT NULL,
    modified BIGINT NOT NULL,
    sealed   BYTEA  NOT NULL,
    PRIMARY KEY (source, id)
);
-- An empty key is no key: any number of resources may lack one.
CREATE UNIQUE INDEX resources_key ON resources (source, key_hash) WHERE key_hash <> '';
CREATE UNIQUE INDEX resources_name ON resources (source, name_key) WHERE name_key <> '';
CREATE INDEX resources_created ON resources (source, created, id);
