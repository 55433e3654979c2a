package ledger

import (
	"context"
	"database/sql"

	"github.com/pressly/goose/v3"
)

// appendOnly is the migration that has the database refuse changes of the chain.
// It is no SQL file because the databases have no way to say it in common.
func appendOnly(dialect goose.Dialect) *goose.Migration {
	statements := sqliteTriggers
	if dialect == goose.DialectPostgres {
		statements = postgresTriggers
	}
	return goose.NewGoMigration(5, &goose.GoFunc{RunTx: func(ctx context.Context, tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, statements)
		return err
	}}, nil)
}

// INSERT OR REPLACE deletes without the trigger on deletion unless
// recursive_triggers is on, so the insertion has one as well
// (https://www.sqlite.org/lang_conflict.html).
const sqliteTriggers = `
CREATE TRIGGER audit_no_update BEFORE UPDATE ON audit
BEGIN SELECT RAISE(ABORT, 'rows of the audit can not be changed'); END;
CREATE TRIGGER audit_no_delete BEFORE DELETE ON audit
BEGIN SELECT RAISE(ABORT, 'rows of the audit can not be deleted'); END;
CREATE TRIGGER audit_no_replace BEFORE INSERT ON audit
WHEN EXISTS (SELECT 1 FROM audit WHERE seq = NEW.seq)
BEGIN SELECT RAISE(ABORT, 'rows of the audit can not be replaced'); END;
`

const postgresTriggers = `
CREATE FUNCTION audit_refuse() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN RAISE EXCEPTION 'rows of the audit can not be changed or deleted'; END $$;
CREATE TRIGGER audit_no_change BEFORE UPDATE OR DELETE ON audit
FOR EACH ROW EXECUTE FUNCTION audit_refuse();
CREATE TRIGGER audit_no_truncate BEFORE TRUNCATE ON audit
FOR EACH STATEMENT EXECUTE FUNCTION audit_refuse();
`
