package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"text/tabwriter"
	"time"

	"go.temporal.io/api/serviceerror"

	"firstpass.internal/config"
	"firstpass.internal/internal/intake"
	"firstpass.internal/internal/intake/proof"
	"firstpass.internal/internal/intake/tree"
	"firstpass.internal/internal/jml"
	"firstpass.internal/internal/ops"
	"firstpass.internal/internal/ops/api"
)

type sourceCmd struct {
	Status    sourceStatusCmd    `cmd:"" default:"1" help:"Show how each source does: last seen, lag, errors."`
	Test      sourceTestCmd      `cmd:"" help:"Show what a sample of a source comes to, and what it would change. Sends nothing and needs no key."`
	Run       sourceRunCmd       `cmd:"" help:"Read a source now instead of at its next time."`
	Pause     sourcePauseCmd     `cmd:"" help:"Keep what a source sends, and do not act on it until it is resumed."`
	Resume    sourceResumeCmd    `cmd:"" help:"Act on what a paused source sent meanwhile, and sends from now on."`
	Release   sourceReleaseCmd   `cmd:"" help:"Let the changes through, once, that the brake of a source stopped."`
	Handshake sourceHandshakeCmd `cmd:"" help:"Show the value that an HR system sent to set up its webhook. A secret."`
	Forget    sourceForgetCmd    `cmd:"" help:"Forget what a source said, so that it is sent to Temporal anew; for use after Temporal was restored."`
	Ready     sourceReadyCmd     `cmd:"" name:"ready-made" help:"List the sources that come with Firstpass, or print one."`
}

type sourceStatusCmd struct{}

// Run implements the command.
func (*sourceStatusCmd) Run(ctx context.Context, env *environment) error {
	return env.api(ctx, "", func(c *api.ClientWithResponses) error {
		r, err := c.ListFeedsWithResponse(ctx)
		if err != nil {
			return err
		}
		list := r.JSON200.Items
		return env.print(list, func(w io.Writer) { statusTable(w, list) })
	})
}

func statusTable(w io.Writer, list []api.Feed) {
	if len(list) == 0 {
		fmt.Fprintln(w, "no sources; add one to the configuration")
		return
	}
	tw := tabwriter.NewWriter(w, 0, 8, 2, ' ', 0)
	fmt.Fprintln(tw, "SOURCE\tKIND\tLAST SEEN (UTC)\tLAG\tERRORS 24H\tNEW 24H\tPRE-HIRES\tQUARANTINED\tSTATE")
	for _, s := range list {
		seen, lag := "never", ""
		if !s.LastSeen.IsZero() {
			seen = s.LastSeen.UTC().Format("2006-01-02 15:04:05")
		}
		if s.Counts["taken"] > 0 {
			lag = time.Duration(s.LagSeconds * float64(time.Second)).Round(time.Second).String()
		}
		fmt.Fprintf(tw, "%s\t%s\t%s\t%s\t%.0f%%\t%d\t%d\t%d\t%s\n",
			s.Source, s.Kind, seen, lag, 100*s.ErrorRate, s.Counts["taken"], s.PreHires, s.Quarantined, s.Health)
	}
	_ = tw.Flush()
	for _, s := range list {
		switch {
		case s.Paused != nil:
			fmt.Fprintf(w, "\n%s: paused by %s: %s.\nTo go on with what was kept: firstpass source resume %s --reason TEXT\n", s.Source, s.Paused.Actor, s.Paused.Reason, s.Source)
		case s.Braked != "":
			fmt.Fprintf(w, "\n%s: the brake stopped it: %s.\nLook at the feed; if it is right: firstpass source release %s --reason TEXT\n", s.Source, s.Braked, s.Source)
		case s.Fault != "":
			fmt.Fprintf(w, "\n%s: the last read failed: %s\n", s.Source, s.Fault)
		}
	}
}

type sourceTestCmd struct {
	Name        string   `arg:"" help:"Source, as it is called in the configuration."`
	Sample      string   `arg:"" help:"File with what the HR system sends: a webhook's body, a page, a CSV file." type:"existingfile"`
	Fetched     string   `help:"File with what fetch would return." placeholder:"FILE" type:"existingfile"`
	Header      []string `help:"Header of the request, NAME: VALUE; may be repeated." placeholder:"H" sep:"none"`
	ContentType string   `help:"How the sample is written. By its file name if not given." placeholder:"TYPE"`
}

// tested is what one item of a sample comes to.
type tested struct {
	*intake.Preview
	PassedOver bool   `json:"passed_over,omitempty"`
	Fetch      bool   `json:"fetch,omitempty"`
	Problem    string `json:"problem,omitempty"`
}

// Run implements the command.
func (s *sourceTestCmd) Run(ctx context.Context, env *environment) error {
	// Without the check of files: a source is tried before its keys are there.
	cfg, err := env.read()
	if err != nil {
		return err
	}
	reader, err := readerOf(cfg, s.Name)
	if err != nil {
		return err
	}
	records, err := s.records(ctx, cfg, reader)
	if err != nil {
		return err
	}
	preview := func(snap jml.Snapshot) (intake.Preview, error) { return intake.Preview{Snapshot: snap}, nil }
	compared := false
	var out []tested
	err = env.desk(ctx, func(d *intake.Desk) error {
		compared = true
		out, err = try(records, func(snap jml.Snapshot) (intake.Preview, error) { return d.Preview(ctx, s.Name, snap) })
		return err
	})
	if !compared {
		why := strings.TrimSpace(strings.SplitN(err.Error(), "\n", 2)[0])
		env.progress("not compared with what is known, as %s", why)
		out, err = try(records, preview)
	}
	if err != nil {
		return err
	}
	bad := 0
	for _, t := range out {
		if t.Problem != "" {
			bad++
		}
	}
	if err := env.print(out, func(w io.Writer) { s.text(w, out) }); err != nil {
		return err
	}
	if bad > 0 {
		return hinted{fmt.Errorf("%d of %d items can't be read; they would go to the quarantine", bad, len(out)), "the expressions are under sources, map; docs/sources.md explains them"}
	}
	return nil
}

// try says what each record comes to.
func try(records []intake.Record, preview func(jml.Snapshot) (intake.Preview, error)) ([]tested, error) {
	out := []tested{}
	for _, r := range records {
		t := tested{PassedOver: r.PassedOver, Fetch: r.Fetch}
		switch {
		case r.Err != nil:
			t.Problem = r.Err.Error()
		case !r.PassedOver && !r.Fetch:
			p, err := preview(r.Snapshot)
			if err != nil {
				return nil, err
			}
			t.Preview = &p
		}
		out = append(out, t)
	}
	return out, nil
}

func (s *sourceTestCmd) records(ctx context.Context, cfg *config.Config, reader *intake.Reader) ([]intake.Record, error) {
	body, err := os.ReadFile(s.Sample)
	if err != nil {
		return nil, err
	}
	var fetched any
	if s.Fetched != "" {
		raw, err := os.ReadFile(s.Fetched)
		if err != nil {
			return nil, err
		}
		if fetched, err = tree.Decode(contentType(s.Fetched), raw, tree.DefaultLimits()); err != nil {
			return nil, usageError{fmt.Errorf("--fetched: %w", err)}
		}
	}
	h := http.Header{}
	for _, line := range s.Header {
		name, value, ok := strings.Cut(line, ":")
		if !ok {
			return nil, usageError{errors.New("--header: want NAME: VALUE")}
		}
		h.Add(strings.TrimSpace(name), strings.TrimSpace(value))
	}
	h.Set("Content-Type", s.ContentType)
	if s.ContentType == "" {
		h.Set("Content-Type", contentType(s.Sample))
	}
	d := intake.NewDelivery(h, body, time.Time{}, time.Now())
	if h.Get("Content-Type") == "text/csv" {
		return reader.Rows(ctx, body, cfgFile(cfg, s.Name), time.Now())
	}
	if is, _, _ := reader.Handshake(ctx, d); is {
		return []intake.Record{{PassedOver: true}}, nil
	}
	return reader.Records(ctx, d, fetched), nil
}

func cfgFile(cfg *config.Config, name string) config.File {
	for _, s := range cfg.Sources {
		if s.Name == name {
			return s.File
		}
	}
	return config.File{}
}

func contentType(file string) string {
	switch strings.ToLower(filepath.Ext(file)) {
	case ".xml":
		return "application/xml"
	case ".csv", ".txt":
		return "text/csv"
	case ".form":
		return "application/x-www-form-urlencoded"
	}
	return "application/json"
}

func (s *sourceTestCmd) text(w io.Writer, out []tested) {
	for i, t := range out {
		if i > 0 {
			fmt.Fprintln(w)
		}
		if len(out) > 1 {
			fmt.Fprintf(w, "item %d\n", i+1)
		}
		switch {
		case t.Problem != "":
			fmt.Fprintf(w, "can't be read: %s\n", t.Problem)
		case t.PassedOver:
			fmt.Fprintln(w, "passed over: the source's when, or its handshake, leaves it out")
		case t.Fetch:
			fmt.Fprintln(w, "a notice: the HR system would be asked for the rest; give its answer with --fetched FILE")
		default:
			snapshotTable(w, t.Snapshot, t.Before)
			if t.Outcome != "" {
				fmt.Fprintf(w, "%s: %s\n", outcomeWords(t.Outcome), factWords(t.Facts))
			}
			if t.Held {
				fmt.Fprintln(w, "the changed address would wait for approval: firstpass held")
			}
		}
	}
	if len(out) == 0 {
		fmt.Fprintln(w, "no items")
	}
}

func outcomeWords(k intake.OutcomeKind) string {
	switch k {
	case intake.OutcomeDelivered:
		return "the joiner would be told"
	case intake.OutcomeOutdated:
		return "nothing would be told; something newer is known"
	case intake.OutcomeKnown:
		return "nothing would be told"
	}
	return "nothing would be told; the start is long past"
}

func factWords(facts []jml.Fact) string {
	if len(facts) == 0 {
		return "nothing new"
	}
	out := make([]string, len(facts))
	for i, f := range facts {
		out[i] = string(f)
	}
	return strings.Join(out, ", ")
}

// snapshotTable writes a snapshot's fields, and what they were before where they
// differ.
func snapshotTable(w io.Writer, now jml.Snapshot, before *jml.Snapshot) {
	tw := tabwriter.NewWriter(w, 0, 8, 2, ' ', 0)
	was := map[string]string{}
	if before != nil {
		for _, f := range intake.Fields(*before) {
			was[f.Name] = f.Value
		}
	}
	for _, f := range intake.Fields(now) {
		line := "  " + f.Name + "\t" + f.Value
		if before != nil && was[f.Name] != f.Value && f.Name != "observed_at" {
			line += "\t(was " + orNothing(was[f.Name]) + ")"
		}
		if f.Value != "" || was[f.Name] != "" {
			fmt.Fprintln(tw, line)
		}
	}
	_ = tw.Flush()
}

func orNothing(s string) string {
	if s == "" {
		return "nothing"
	}
	return s
}

type sourceRunCmd struct {
	Name string `arg:"" help:"Source, as it is called in the configuration."`
}

// Run implements the command.
func (s *sourceRunCmd) Run(ctx context.Context, env *environment) error {
	cfg, c, err := env.connect(ctx)
	if err != nil {
		return err
	}
	defer c.Close()
	err = intake.Schedules{Client: c.ScheduleClient(), TaskQueue: cfg.Temporal.TaskQueue}.Trigger(ctx, s.Name)
	var none *serviceerror.NotFound
	if errors.As(err, &none) {
		return hinted{fmt.Errorf("there is no schedule for source %s", s.Name), "firstpass serve makes one for each source of kind poll, file or entra"}
	}
	if err != nil {
		return temporalError("trigger the schedule", err)
	}
	return env.print(map[string]string{"triggered": s.Name}, func(w io.Writer) {
		fmt.Fprintf(w, "%s is being read; see firstpass source status\n", s.Name)
	})
}

// feedOrder is what acts on a source share.
type feedOrder struct {
	Name string `arg:"" help:"Source, as it is called in the configuration."`
	decision
}

func (f *feedOrder) act(ctx context.Context, env *environment, v ops.Verb, then string) error {
	return env.api(ctx, f.Actor, func(c *api.ClientWithResponses) error {
		r, err := c.ActOnFeedWithResponse(ctx, f.Name, api.FeedAction{Verb: v, Reason: f.Reason})
		if answered(err, http.StatusNotFound) {
			return hinted{err, "firstpass source status lists them"}
		}
		if err != nil {
			return err
		}
		return env.printReply(r.Body, func(w io.Writer) { fmt.Fprintf(w, "%s  %s%s\n", f.Name, r.JSON200.What, then) })
	})
}

type sourcePauseCmd struct{ feedOrder }

// Run implements the command.
func (s *sourcePauseCmd) Run(ctx context.Context, env *environment) error {
	return s.act(ctx, env, ops.VerbPause, "")
}

type sourceResumeCmd struct{ feedOrder }

// Run implements the command.
func (s *sourceResumeCmd) Run(ctx context.Context, env *environment) error {
	return s.act(ctx, env, ops.VerbUnpause, "")
}

type sourceReleaseCmd struct{ feedOrder }

// Run implements the command.
func (s *sourceReleaseCmd) Run(ctx context.Context, env *environment) error {
	return s.act(ctx, env, ops.VerbRelease, ". To have it now: firstpass source run "+s.Name)
}

type sourceHandshakeCmd struct {
	Name string `arg:"" help:"Source, as it is called in the configuration."`
}

// Run implements the command.
func (s *sourceHandshakeCmd) Run(ctx context.Context, env *environment) error {
	return env.desk(ctx, func(d *intake.Desk) error {
		list, err := d.Handshakes(ctx, s.Name)
		if err != nil {
			return sourceError(err)
		}
		return env.print(list, func(w io.Writer) {
			if len(list) == 0 {
				fmt.Fprintln(w, "no handshake in the last 24 hours; set the webhook up in the HR system")
			}
			for _, h := range list {
				fmt.Fprintf(w, "%s  %s\n", h.At, h.Value)
			}
		})
	})
}

type sourceForgetCmd struct {
	Name string `arg:"" help:"Source, as it is called in the configuration."`
	Yes  bool   `help:"Do it." required:""`
}

// Run implements the command.
func (s *sourceForgetCmd) Run(ctx context.Context, env *environment) error {
	return env.desk(ctx, func(d *intake.Desk) error {
		n, err := d.Forget(ctx, s.Name)
		if err != nil {
			return sourceError(err)
		}
		return env.print(map[string]int{"forgotten": n}, func(w io.Writer) {
			fmt.Fprintf(w, "%d employees forgotten; the next full feed, or each next webhook, is sent to Temporal anew\n", n)
		})
	})
}

type sourceReadyCmd struct {
	Name string `arg:"" optional:"" help:"Print this one, with what to do in the HR system."`
}

// Run implements the command.
func (s *sourceReadyCmd) Run(_ context.Context, env *environment) error {
	if s.Name == "" {
		return env.print(config.ReadyMade(), func(w io.Writer) {
			for _, name := range config.ReadyMade() {
				fmt.Fprintln(w, name)
			}
		})
	}
	text, err := config.ReadyMadeText(s.Name)
	if err != nil {
		return usageError{err}
	}
	return env.print(map[string]string{"name": s.Name, "text": string(text)}, func(w io.Writer) { _, _ = w.Write(text) })
}

func sourceError(err error) error {
	switch {
	case errors.Is(err, intake.ErrNoSource):
		return hinted{err, "firstpass source status lists them"}
	}
	return err
}

// readerOf compiles the expressions of one source.
func readerOf(cfg *config.Config, name string) (*intake.Reader, error) {
	x, err := newCompiler(cfg)
	if err != nil {
		return nil, err
	}
	var names []string
	for i, c := range cfg.Sources {
		if c.Name == name {
			at := fmt.Sprintf("sources[%d]", i)
			r, err := intake.NewReader(at, c, x)
			if c.Kind == config.SourceWebhook || c.Kind == config.SourceSCIM {
				// What can be told without a key: a sample that maps well is of no
				// use where no request gets in.
				c.Verify.KeyFiles = nil
				_, unproved := proof.New(at+".verify", c.Verify)
				err = errors.Join(err, unproved)
			}
			if err != nil {
				return nil, usageError{err}
			}
			return r, nil
		}
		names = append(names, c.Name)
	}
	return nil, usageError{fmt.Errorf("no source is called %q; there are %s", name, strings.Join(names, ", "))}
}
