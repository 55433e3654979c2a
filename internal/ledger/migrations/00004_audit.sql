-- The chain of audit rows: body is canonical JSON, hash is about it and the hash
-- of the row before. At, event, ref and method_id are copies out of the body, to
-- find rows by. What is personal of a row stands beside it, sealed with its
-- salt, and may be deleted; actor_key is a keyed hash.
-- A head is a signed statement of how far the chain went; exported is when its
-- rows were written to the export folder. The rows of audit can be neither
-- changed nor deleted: 00005 sees to that, once for each database.

-- +goose Up
CREATE TABLE audit (
    seq       BIGINT NOT NULL PRIMARY KEY,
    at        BIGINT NOT NULL,
    event     TEXT   NOT NULL,
    ref       TEXT   NOT NULL,
    method_id TEXT   NOT NULL,
    body      BYTEA  NOT NULL,
    hash      BYTEA  NOT NULL
);
CREATE INDEX audit_ref ON audit (ref, seq) WHERE ref <> '';
CREATE INDEX audit_method ON audit (method_id, seq) WHERE method_id <> '';
CREATE INDEX audit_event ON audit (event, seq);
CREATE INDEX audit_at ON audit (at);

CREATE TABLE audit_personal (
    seq       BIGINT NOT NULL PRIMARY KEY,
    actor_key TEXT   NOT NULL,
    sealed    BYTEA  NOT NULL
);
CREATE INDEX audit_personal_actor ON audit_personal (actor_key) WHERE actor_key <> '';

CREATE TABLE audit_keys (
    name   TEXT  NOT NULL PRIMARY KEY,
    sealed BYTEA NOT NULL
);

CREATE TABLE audit_heads (
    seq      BIGINT NOT NULL PRIMARY KEY,
    first    BIGINT NOT NULL,
    at       BIGINT NOT NULL,
    signed   BYTEA  NOT NULL,
    exported BIGINT NOT NULL DEFAULT 0
);

-- The kill switch, and sources that are paused. Sealed holds who and why.
CREATE TABLE switches (
    name   TEXT    NOT NULL PRIMARY KEY,
    is_on  BOOLEAN NOT NULL,
    since  BIGINT  NOT NULL,
    sealed BYTEA   NOT NULL
);

-- Sessions of operators, by the hash of their token. Whoever keeps them seals
-- them.
CREATE TABLE sessions (
    hash   TEXT   NOT NULL PRIMARY KEY,
    until  BIGINT NOT NULL,
    sealed BYTEA  NOT NULL
);
CREATE INDEX sessions_until ON sessions (until);
