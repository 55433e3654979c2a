-- Links to the pick-up page, by the keyed hash of the token in the link, and
-- once more by that of the reference that is typed instead. Nothing here opens
-- anything or is personal: link_hash is the first of the two, workflow_id and
-- ref are opaque. Until is unix milliseconds UTC.

-- +goose Up
CREATE TABLE links (
    hash        TEXT   NOT NULL PRIMARY KEY,
    link_hash   TEXT   NOT NULL,
    kind        TEXT   NOT NULL,
    workflow_id TEXT   NOT NULL,
    ref         TEXT   NOT NULL,
    until       BIGINT NOT NULL
);
CREATE INDEX links_until ON links (until);
