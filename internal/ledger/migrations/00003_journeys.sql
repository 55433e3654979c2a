-- Employees to whom HR gave another id: first_ref is the reference of the first
-- one, which names their journeys for good. And the journeys that somebody asked
-- for, so that they can be counted. Everything here is opaque. At is unix
-- milliseconds UTC.

-- +goose Up
CREATE TABLE aliases (
    source    TEXT   NOT NULL,
    ref       TEXT   NOT NULL,
    first_ref TEXT   NOT NULL,
    at        BIGINT NOT NULL,
    PRIMARY KEY (source, ref)
);

CREATE TABLE asked (
    source TEXT   NOT NULL,
    ref    TEXT   NOT NULL,
    kind   TEXT   NOT NULL,
    id     TEXT   NOT NULL,
    at     BIGINT NOT NULL,
    PRIMARY KEY (source, ref, kind, id)
);
CREATE INDEX asked_at ON asked (at);
