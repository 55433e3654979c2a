package main

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"strings"
	"text/tabwriter"
	"time"

	"firstpass.internal/config"
	"firstpass.internal/internal/audit"
	"firstpass.internal/internal/audit/chain"
	"firstpass.internal/internal/audit/lines"
	"firstpass.internal/internal/audit/stream"
	"firstpass.internal/internal/ledger"
)

type ledgerCmd struct {
	List    ledgerListCmd    `cmd:"" default:"withargs" help:"List rows: what was done to whom, when, by whom and why. Personal data."`
	Verify  ledgerVerifyCmd  `cmd:"" help:"Verify an export, with nothing but it and the public key; or the database."`
	Receipt ledgerReceiptCmd `cmd:"" help:"Say what proves that passes are gone."`
	Export  ledgerExportCmd  `cmd:"" help:"Sign a head and write the rows that no file has yet."`
	Head    ledgerHeadCmd    `cmd:"" help:"Sign a head and print it, to be kept elsewhere: it tells later whether the newest rows were cut off."`
	Erase   ledgerEraseCmd   `cmd:"" help:"Erase what is personal about an employee or an operator. The chain stays valid."`
	Keygen  ledgerKeygenCmd  `cmd:"" help:"Make the key that signs heads. Never overwrites one."`
}

// withLedger opens the ledger alone.
func (e *environment) withLedger(ctx context.Context, do func(*config.Config, *ledger.Ledger) error) error {
	cfg, err := e.load()
	if err != nil {
		return err
	}
	book, err := openLedger(ctx, cfg)
	if err != nil {
		return err
	}
	return errors.Join(do(cfg, book), book.Close())
}

// ago is a time, or how long ago it was.
type ago struct{ time.Time }

// UnmarshalText implements encoding.TextUnmarshaler.
func (a *ago) UnmarshalText(text []byte) error {
	for _, layout := range []string{time.RFC3339, time.DateTime, time.DateOnly} {
		if t, err := time.ParseInLocation(layout, string(text), time.UTC); err == nil {
			a.Time = t
			return nil
		}
	}
	days, isDays := strings.CutSuffix(string(text), "d")
	if isDays {
		text = []byte(days + "h")
	}
	d, err := time.ParseDuration(string(text))
	if err != nil || d < 0 {
		return errors.New("want a day or time such as 2026-03-02 or 2026-03-02T09:00:00Z, or how long ago, such as 2h or 7d")
	}
	if isDays {
		d *= 24
	}
	a.Time = time.Now().Add(-d)
	return nil
}

type ledgerListCmd struct {
	Ref   string        `help:"Only rows about this reference." placeholder:"REF"`
	Event []audit.Event `help:"Only these events, such as pass.gone." placeholder:"EVENT"`
	Actor string        `help:"Only what this operator did." placeholder:"NAME"`
	Since ago           `help:"Only rows from then on: a day, a time, or 2h or 7d for how long ago." placeholder:"WHEN"`
	Limit int           `help:"The newest so many; 0 is all." default:"100"`
}

// Run implements the command.
func (c *ledgerListCmd) Run(ctx context.Context, env *environment) error {
	if c.Limit < 0 {
		return usageError{errors.New("--limit: want 0 or more")}
	}
	return env.withLedger(ctx, func(_ *config.Config, book *ledger.Ledger) error {
		rows, err := book.Rows(ctx, ledger.RowFilter{Ref: c.Ref, Events: c.Event, Actor: c.Actor, From: c.Since.Time, Newest: true, Limit: c.Limit})
		if err != nil {
			return err
		}
		out := make([]audit.Line, len(rows))
		for i, r := range rows {
			out[len(rows)-1-i] = r.Line()
		}
		return env.print(out, func(w io.Writer) {
			if len(out) == 0 {
				fmt.Fprintln(w, "no such rows")
				return
			}
			tw := tabwriter.NewWriter(w, 0, 8, 2, ' ', 0)
			fmt.Fprintln(tw, "SEQ\tWHEN (UTC)\tEVENT\tREF\tWHO\tWHAT")
			for _, l := range out {
				fmt.Fprintf(tw, "%d\t%s\t%s\t%s\t%s\t%s\n", l.Seq, l.Time.UTC().Format("2006-01-02 15:04:05"), l.Event, dash(l.Ref), dash(l.Actor), dash(whatOf(l)))
			}
			_ = tw.Flush()
		})
	})
}

func dash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}

// whatOf is the rest of a row in one cell.
func whatOf(l audit.Line) string {
	var parts []string
	add := func(name, value string) {
		if value != "" {
			parts = append(parts, name+value)
		}
	}
	add("", l.Outcome)
	add("", l.Reason)
	add("", l.Detail)
	if l.Erased {
		parts = append(parts, "(who and why erased)")
	}
	add("method ", l.MethodID)
	add("used: ", l.Used)
	add("request-id ", l.RequestID)
	return strings.Join(parts, "; ")
}

type ledgerVerifyCmd struct {
	Folder    string   `arg:"" optional:"" help:"Folder with exported files. The database if not given." type:"path"`
	PublicKey []string `help:"Who signs heads, PEM; more than one if the key was changed." placeholder:"FILE" type:"path"`
	Head      []string `help:"A head that was kept elsewhere, as firstpass ledger head prints it: with it, a cut-off end shows." placeholder:"FILE" type:"path"`
}

// Run implements the command.
func (c *ledgerVerifyCmd) Run(ctx context.Context, env *environment) error {
	o := chain.Options{}
	for _, name := range c.PublicKey {
		raw, err := os.ReadFile(name)
		if err != nil {
			return usageError{err}
		}
		key, err := audit.ParsePublic(raw)
		if err != nil {
			return usageError{fmt.Errorf("%s: %w", name, err)}
		}
		o.Keys = append(o.Keys, key)
	}
	for _, name := range c.Head {
		head, err := readHead(name)
		if err != nil {
			return usageError{err}
		}
		o.Kept = append(o.Kept, head)
	}
	if c.Folder == "" {
		return c.database(ctx, env, o)
	}
	if o.Keys == nil {
		return usageError{hinted{errors.New("--public-key is missing"), "an export proves nothing without the key that signed it; firstpass ledger keygen wrote it beside the other"}}
	}
	bar := env.gauge("verifying bytes")
	o.Progress = bar.at
	report, err := chain.Folder(ctx, c.Folder, o)
	bar.end()
	if errors.Is(err, chain.ErrNoExport) || errors.Is(err, fs.ErrNotExist) {
		return usageError{fmt.Errorf("%s: %w", c.Folder, err)}
	}
	if err != nil {
		return err
	}
	return c.tell(env, report)
}

func (c *ledgerVerifyCmd) database(ctx context.Context, env *environment, o chain.Options) error {
	return env.withLedger(ctx, func(cfg *config.Config, book *ledger.Ledger) error {
		if key, err := ledgerKey(cfg); err == nil && o.Keys == nil {
			public, _ := key.Public().(ed25519.PublicKey)
			o.Keys = []ed25519.PublicKey{public}
		}
		bar := env.gauge("verifying row")
		o.Progress = bar.at
		report, err := chain.Database(ctx, book, o)
		bar.end()
		if err != nil {
			return err
		}
		return c.tell(env, report)
	})
}

func (c *ledgerVerifyCmd) tell(env *environment, r *chain.Report) error {
	err := env.print(r, func(w io.Writer) {
		for _, p := range r.Problems {
			fmt.Fprintln(w, p)
		}
		if r.More > 0 {
			fmt.Fprintf(w, "and %d more\n", r.More)
		}
		if !r.Good() {
			return
		}
		fmt.Fprintf(w, "good: chain %s, rows 0 to %d, %d heads", r.Chain, r.Last, r.Heads)
		if r.Head != nil {
			fmt.Fprintf(w, ", the newest of %s", stamp(r.Head.Time))
		}
		fmt.Fprintln(w)
		if r.Erased > 0 {
			fmt.Fprintf(w, "who and why of %d rows was erased\n", r.Erased)
		}
		if len(c.Head) == 0 {
			fmt.Fprintln(w, "whether the newest rows were cut off only a head tells that was kept elsewhere: --head FILE")
		}
	})
	if err == nil && !r.Good() {
		err = hinted{fmt.Errorf("the ledger is not as it was written: %d problems", len(r.Problems)+r.More), "keep what you verified as it is; docs/ledger.md says what each problem means"}
	}
	return err
}

func readHead(name string) (audit.SignedHead, error) {
	raw, err := os.ReadFile(name)
	if err != nil {
		return audit.SignedHead{}, err
	}
	head, err := audit.ReadHead([]byte(strings.TrimSpace(string(raw))))
	if err != nil {
		return head, fmt.Errorf("%s: %w", name, err)
	}
	return head, nil
}

type ledgerReceiptCmd struct {
	Ref    string `arg:"" optional:"" help:"Reference of the employee: all his passes."`
	Method string `help:"One pass, by its method id." placeholder:"ID"`
}

// Run implements the command.
func (c *ledgerReceiptCmd) Run(ctx context.Context, env *environment) error {
	if (c.Ref == "") == (c.Method == "") {
		return usageError{errors.New("name a reference, or a pass by --method")}
	}
	return env.withLedger(ctx, func(_ *config.Config, book *ledger.Ledger) error {
		rows, err := book.Rows(ctx, ledger.RowFilter{Ref: c.Ref, MethodID: c.Method})
		if err != nil {
			return err
		}
		list := audit.Receipts(rows)
		err = env.print(list, func(w io.Writer) {
			for _, r := range list {
				printReceipt(w, r)
			}
		})
		switch {
		case err != nil:
			return err
		case len(list) == 0:
			return hinted{errors.New("the ledger knows of no such pass"), "firstpass ledger list shows references and method ids"}
		}
		return nil
	})
}

func printReceipt(w io.Writer, r audit.Receipt) {
	tw := tabwriter.NewWriter(w, 0, 8, 2, ' ', 0)
	line := func(name, value string) { fmt.Fprintf(tw, "%s\t%s\n", name, dash(value)) }
	line("pass", r.MethodID)
	line("user", r.UserID)
	line("reference", r.Ref)
	line("issued", orDash(r.IssuedAt))
	line("first usable", orDash(r.UsableFrom))
	line("ends by itself", orDash(r.UsableUntil))
	line("used", r.Used)
	line("deletion asked for", orDash(r.RevokedAt))
	line("confirmed gone", orDash(r.GoneAt))
	line("request-id, issue", r.Requests.Issue)
	line("request-id, deletion", r.Requests.Delete)
	line("request-id, look", r.Requests.Look)
	line("rows", strings.Trim(fmt.Sprint(r.Rows), "[]"))
	line("verdict", string(r.Verdict))
	for _, why := range r.Why {
		line("", why)
	}
	_ = tw.Flush()
	fmt.Fprintln(w)
}

func orDash(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return stamp(t)
}

type ledgerExportCmd struct {
	Folder   string `help:"Write all files to this folder that it lacks, instead of the new ones to audit.export_folder." type:"existingdir" placeholder:"FOLDER"`
	Personal bool   `help:"With who and why: personal data, which no later erasure reaches. Wants --folder."`
}

// Run implements the command.
func (c *ledgerExportCmd) Run(ctx context.Context, env *environment) error {
	if c.Personal && c.Folder == "" {
		return usageError{hinted{errors.New("--personal wants --folder"), "audit.export_folder holds nothing personal, so that it can be kept for good"}}
	}
	return env.withLedger(ctx, func(cfg *config.Config, book *ledger.Ledger) error {
		key, err := ledgerKey(cfg)
		if err != nil {
			return err
		}
		x := chain.Exporter{Book: book, Key: key, Folder: c.Folder, Personal: c.Personal}
		if c.Folder == "" {
			if cfg.Audit.ExportFolder == "" {
				return usageError{errors.New("audit.export_folder is not set; set it, or give --folder")}
			}
			x.Folder, x.Daily = cfg.Audit.ExportFolder, true
		}
		bar := env.gauge("exporting row")
		x.Progress = bar.at
		paths, err := x.Export(ctx)
		bar.end()
		if err != nil {
			return err
		}
		if paths == nil {
			paths = []string{}
		}
		return env.print(paths, func(w io.Writer) {
			for _, p := range paths {
				fmt.Fprintln(w, p)
			}
			if len(paths) == 0 {
				fmt.Fprintln(w, "nothing to export")
			}
		})
	})
}

type ledgerHeadCmd struct{}

// Run implements the command.
func (c *ledgerHeadCmd) Run(ctx context.Context, env *environment) error {
	return env.withLedger(ctx, func(cfg *config.Config, book *ledger.Ledger) error {
		key, err := ledgerKey(cfg)
		if err != nil {
			return err
		}
		if err := book.AddHead(ctx, func(h audit.Head) (audit.SignedHead, error) { return audit.Sign(h, key) }); err != nil {
			return err
		}
		heads, err := book.Heads(ctx)
		if err != nil || len(heads) == 0 {
			return err
		}
		// One line, with --json as well: verify --head reads it as it is.
		_, err = fmt.Fprintf(env.term.out, "%s\n", heads[len(heads)-1].Signed)
		return err
	})
}

type ledgerEraseCmd struct {
	Ref      string `arg:"" optional:"" help:"Reference of an employee none of whose journeys is under way."`
	Operator string `help:"Who and why in all rows that this operator wrote." placeholder:"NAME"`
	decision
}

// Run implements the command.
func (c *ledgerEraseCmd) Run(ctx context.Context, env *environment) error {
	if (c.Ref == "") == (c.Operator == "") {
		return usageError{errors.New("name a reference, or an operator by --operator")}
	}
	return env.withLedger(ctx, func(_ *config.Config, book *ledger.Ledger) error {
		var (
			n   int
			err error
		)
		if c.Ref != "" {
			n, err = book.Erase(ctx, c.Ref, c.actor(), c.Reason)
		} else {
			n, err = book.EraseActor(ctx, c.Operator, c.actor(), c.Reason)
		}
		if errors.Is(err, ledger.ErrJourneyOpen) {
			return hinted{err, "firstpass list shows it, firstpass cancel ends it"}
		}
		if err != nil {
			return err
		}
		return env.print(map[string]int{"erased": n}, func(w io.Writer) {
			fmt.Fprintf(w, "who and why of %d rows is gone; files that were exported with --personal and the stream of audit.file still have it\n", n)
		})
	})
}

type ledgerKeygenCmd struct {
	File string `arg:"" help:"Where to put the key; audit.key_file names it. The public one goes beside it, with .pub." type:"path"`
}

// Run implements the command.
func (c *ledgerKeygenCmd) Run(_ context.Context, env *environment) error {
	private, public, err := audit.NewKey()
	if err != nil {
		return err
	}
	if err := createNew(c.File, private, 0o600); err != nil {
		return err
	}
	if err := createNew(c.File+".pub", public, 0o644); err != nil {
		return errors.Join(err, os.Remove(c.File))
	}
	key, err := audit.ParsePublic(public)
	if err != nil {
		return err
	}
	out := map[string]string{"key": c.File, "public_key": c.File + ".pub", "id": audit.KeyID(key)}
	return env.print(out, func(w io.Writer) {
		fmt.Fprintf(w, "%s\n%s\nkey %s; give the .pub file to whoever verifies, and keep a copy out of reach of this machine\n", out["key"], out["public_key"], out["id"])
	})
}

// createNew writes a file that must not be there.
func createNew(name string, content []byte, mode fs.FileMode) error {
	f, err := os.OpenFile(name, os.O_CREATE|os.O_EXCL|os.O_WRONLY, mode)
	if errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("%s is there already", name)
	}
	if err != nil {
		return err
	}
	_, err = f.Write(content)
	if err == nil {
		err = f.Sync()
	}
	return errors.Join(err, f.Close())
}

// ledgerKey reads the key that signs heads.
func ledgerKey(cfg *config.Config) (ed25519.PrivateKey, error) {
	if cfg.Audit.KeyFile == "" {
		return nil, usageError{hinted{errors.New("audit.key_file is not set"), "firstpass ledger keygen FILE makes a key"}}
	}
	raw, err := os.ReadFile(cfg.Audit.KeyFile)
	if err != nil {
		return nil, fmt.Errorf("audit.key_file: %w", err)
	}
	key, err := audit.ParsePrivate(raw)
	if err != nil {
		return nil, usageError{hinted{fmt.Errorf("audit.key_file: %w", err), "firstpass ledger keygen FILE makes a key"}}
	}
	return key, nil
}

// ledgerKeeper is what a serving process does beside its work with the rows of
// the ledger: any of them streams, those that work export.
type ledgerKeeper struct {
	stream *stream.Stream
	daily  *chain.Daily
}

func newLedgerKeeper(cfg *config.Config, book *ledger.Ledger, works bool, log *slog.Logger) (ledgerKeeper, error) {
	var k ledgerKeeper
	var err error
	if cfg.Audit.File != "" {
		if k.stream, err = stream.New(stream.Config{Path: cfg.Audit.File, Rows: book, Pause: pause, Logger: log}); err != nil {
			return k, err
		}
	}
	if works && cfg.Audit.KeyFile != "" && cfg.Audit.ExportFolder != "" {
		key, err := ledgerKey(cfg)
		if err != nil {
			return k, err
		}
		k.daily = &chain.Daily{
			Exporter: chain.Exporter{Book: book, Key: key, Folder: cfg.Audit.ExportFolder, Daily: true},
			Now:      time.Now, Pause: pause, Logger: log,
		}
	}
	return k, nil
}

// checkAudit looks at what takes the ledger's rows elsewhere.
func checkAudit(_ context.Context, cfg *config.Config) []finding {
	var found []finding
	if cfg.Audit.File != "" {
		f := finding{What: "ledger stream", OK: true, Note: cfg.Audit.File}
		if out, err := lines.Open(cfg.Audit.File); err != nil {
			f.OK, f.Note, f.Run = false, err.Error(), "make the folder writable for the user that runs firstpass"
		} else {
			_ = out.Close()
		}
		found = append(found, f)
	}
	f := finding{What: "ledger export", OK: true, Note: "signed daily to " + cfg.Audit.ExportFolder}
	switch _, err := ledgerKey(cfg); {
	case cfg.Audit.KeyFile == "" || cfg.Audit.ExportFolder == "":
		f.Warn, f.Note = true, "off: whoever can write to the database could rewrite what was done, unseen"
		f.Run = "set audit.key_file and audit.export_folder; docs/ledger.md explains them"
	case err != nil:
		f.OK, f.Note, f.Run = false, err.Error(), "firstpass ledger keygen FILE"
	default:
		if err := writable(cfg.Audit.ExportFolder); err != nil {
			f.OK, f.Note, f.Run = false, err.Error(), "make the folder, writable for the user that runs firstpass"
		}
	}
	return append(found, f)
}

// writable tries to make a file in folder.
func writable(folder string) error {
	f, err := os.CreateTemp(folder, ".firstpass-check-*")
	if err != nil {
		return err
	}
	return errors.Join(f.Close(), os.Remove(f.Name()))
}
