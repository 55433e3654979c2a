package main

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"firstpass.internal/internal/profile"
)

// TestWatch: the first look comes at once, the next a day later, or a quarter of
// an hour later where the tenant did not answer; and each finding is told once.
func TestWatch(t *testing.T) {
	bad := profile.Finding{Profile: "staging", Severity: profile.SeverityError, What: "one-time only", Do: "change the policy"}
	warn := profile.Finding{Severity: profile.SeverityWarning, What: "a policy blocks registering", Do: "exclude people"}
	looks := []struct {
		found []profile.Finding
		err   error
		after time.Duration // since the look before
		want  string        // what it logs
	}{
		{[]profile.Finding{bad}, nil, 0, "ERROR staging one-time only"},
		{[]profile.Finding{bad}, nil, 24 * time.Hour, ""},
		{[]profile.Finding{bad, warn}, nil, 24 * time.Hour, "WARN  a policy blocks registering"},
		{nil, errors.New("no answer"), 24 * time.Hour, "WARN no answer"},
		{[]profile.Finding{warn}, nil, 15 * time.Minute, "INFO staging one-time only"},
		{[]profile.Finding{bad, warn}, nil, 24 * time.Hour, "ERROR staging one-time only"},
	}
	synctest.Test(t, func(t *testing.T) {
		var (
			out  bytes.Buffer
			n    int
			last time.Time
			told = make([]string, len(looks))
		)
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		collect := func() {
			if n > 0 {
				told[n-1] = strings.TrimSpace(out.String())
				out.Reset()
			}
		}
		w := watch{
			log: slog.New(brief{&out}),
			find: func(context.Context) ([]profile.Finding, error) {
				collect()
				if n == len(looks) {
					cancel()
					return nil, nil
				}
				look := looks[n]
				if since := time.Since(last); n > 0 && since != look.after {
					t.Errorf("look %d came after %s, want %s", n, since, look.after)
				}
				n, last = n+1, time.Now()
				return look.found, look.err
			},
		}
		w.run(ctx)
		for i, look := range looks {
			if diff := cmp.Diff(look.want, told[i]); diff != "" {
				t.Errorf("look %d (-want +logged)\n%s", i, diff)
			}
		}
	})
}

// brief writes level, profile and what of a line.
type brief struct{ out *bytes.Buffer }

func (brief) Enabled(context.Context, slog.Level) bool { return true }
func (b brief) WithAttrs([]slog.Attr) slog.Handler     { return b }
func (b brief) WithGroup(string) slog.Handler          { return b }

// Handle implements slog.Handler.
func (b brief) Handle(_ context.Context, r slog.Record) error {
	words := []string{r.Level.String()}
	r.Attrs(func(a slog.Attr) bool {
		if a.Key == "profile" || a.Key == "what" || a.Key == "error" {
			words = append(words, a.Value.String())
		}
		return true
	})
	b.out.WriteString(strings.Join(words, " ") + "\n")
	return nil
}
