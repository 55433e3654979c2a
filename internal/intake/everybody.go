package intake

import (
	"context"

	"firstpass.internal/internal/ledger"
)

// Everybody returns up to limit employees whom the sources know, those first who
// still have a journey before them. It opens each one's facts: some 10,000 a
// second.
func (d *Desk) Everybody(ctx context.Context, limit int) ([]Employee, error) {
	var out []Employee
	err := d.cfg.Ledger.Everybody(ctx, limit, func(e ledger.Employee) error {
		k, err := known(e)
		if err != nil {
			return err
		}
		out = append(out, Employee{Source: e.Source, Ref: e.Ref, Snapshot: k.Told})
		return nil
	})
	return out, err
}
