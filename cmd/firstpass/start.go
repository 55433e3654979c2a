package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"firstpass.internal/config"
	"firstpass.internal/internal/intake"
	"firstpass.internal/internal/jml"
)

type startCmd struct {
	Source   string `help:"HR source the employee belongs to; needed where there are several." placeholder:"NAME"`
	Profile  string `help:"Profile to use instead of the source's." placeholder:"NAME"`
	Snapshot string `help:"Read the snapshot as JSON from this file, - for standard input, instead of from the options below." placeholder:"FILE"`
	Again    bool   `help:"Start anew even if a joiner with the same facts has ended, or the start lies far back."`

	EmployeeID   string `help:"Stable id in the HR system." placeholder:"ID"`
	StartDate    string `help:"First day, YYYY-MM-DD." placeholder:"DATE"`
	StartTime    string `help:"Local time on that day, HH:MM, instead of the profile's." placeholder:"TIME"`
	Zone         string `help:"IANA time zone of the place of work, such as Europe/Copenhagen." placeholder:"ZONE"`
	GivenName    string `placeholder:"NAME" help:"Given name, for the greeting."`
	FamilyName   string `placeholder:"NAME" help:"Family name, for operators."`
	PersonalMail string `help:"Private address the pass is mailed to." placeholder:"ADDRESS"`
	Match        string `help:"Find the user by this instead of the employee id: ATTRIBUTE=VALUE." placeholder:"A=V"`
	Locale       string `help:"Language of the message, BCP 47." placeholder:"TAG"`
}

// Run implements the command.
func (s *startCmd) Run(ctx context.Context, env *environment) error {
	snap, err := s.snapshot(env.term.in)
	if err != nil {
		return usageError{err}
	}
	cfg, err := env.load()
	if err != nil {
		return err
	}
	source, profile, err := s.rules(cfg)
	if err != nil {
		return usageError{err}
	}
	c, err := connect(ctx, cfg)
	if err != nil {
		return err
	}
	defer c.Close()
	starter, err := newStarter(cfg, c)
	if err != nil {
		return err
	}
	out, err := starter.Start(ctx, source, profile, snap, s.Again)
	if err != nil {
		return temporalError("start the joiner", err)
	}
	return env.print(out, func(w io.Writer) {
		fmt.Fprintf(w, "%s  %s", out.Ref, out.Kind)
		if out.Why != "" {
			fmt.Fprintf(w, ": %s", out.Why)
		}
		fmt.Fprintln(w)
		if out.Kind == intake.OutcomeDelivered || out.Kind == intake.OutcomeStarted {
			fmt.Fprintf(w, "follow it with: firstpass show %s\n", out.Ref)
		}
	})
}

// rules returns the source and profile to use.
func (s *startCmd) rules(cfg *config.Config) (string, jml.Profile, error) {
	var names []string
	for _, src := range cfg.Sources {
		names = append(names, src.Name)
		if src.Name != s.Source && (s.Source != "" || len(cfg.Sources) > 1) {
			continue
		}
		name := src.Profile
		if s.Profile != "" {
			name = s.Profile
		}
		p := cfg.Profile(name)
		if p.Name == "" {
			return "", p, fmt.Errorf("no profile is called %q in the configuration", name)
		}
		return src.Name, p, nil
	}
	return "", jml.Profile{}, fmt.Errorf("name a source with --source: %s", strings.Join(names, ", "))
}

// snapshot reads what HR says, from JSON or from the options.
func (s *startCmd) snapshot(stdin io.Reader) (jml.Snapshot, error) {
	var snap jml.Snapshot
	if s.Snapshot != "" {
		in := stdin
		if s.Snapshot != "-" {
			f, err := os.Open(s.Snapshot)
			if err != nil {
				return snap, err
			}
			defer f.Close() //nolint:errcheck // read only
			in = f
		}
		dec := json.NewDecoder(io.LimitReader(in, 1<<20))
		dec.DisallowUnknownFields()
		if err := dec.Decode(&snap); err != nil {
			return snap, fmt.Errorf("--snapshot: %w", err)
		}
	} else if err := s.fromOptions(&snap); err != nil {
		return snap, err
	}
	if snap.ObservedAt.IsZero() {
		snap.ObservedAt = time.Now().UTC()
	}
	if err := snap.Validate(); err != nil {
		return snap, hinted{err, "firstpass start --help names the options; a snapshot's form is published at /schemas/snapshot.v1.json"}
	}
	return snap, nil
}

func (s *startCmd) fromOptions(snap *jml.Snapshot) error {
	*snap = jml.Snapshot{
		EmployeeID: s.EmployeeID, Status: jml.StatusScheduled, Zone: s.Zone,
		GivenName: s.GivenName, FamilyName: s.FamilyName, PersonalMail: s.PersonalMail, Locale: s.Locale,
	}
	var errs []error
	if s.StartDate != "" {
		d, err := jml.ParseDate(s.StartDate)
		if err != nil {
			errs = append(errs, fmt.Errorf("--start-date: %w", err))
		}
		snap.StartDate = d
	}
	if s.StartTime != "" {
		c, err := jml.ParseClock(s.StartTime)
		if err != nil {
			errs = append(errs, fmt.Errorf("--start-time: %w", err))
		}
		snap.StartTime = &c
	}
	if s.Match != "" {
		attribute, value, ok := strings.Cut(s.Match, "=")
		if !ok {
			errs = append(errs, errors.New("--match: want ATTRIBUTE=VALUE, such as userPrincipalName=ada@example.com"))
		}
		snap.Match = &jml.Match{Attribute: attribute, Value: value}
	}
	return errors.Join(errs...)
}
