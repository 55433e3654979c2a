package main

import (
	"cmp"
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
	File     string `help:"Start everybody in this CSV or JSON file, written as the source's own. A row that can't be started is refused alone. Doing it again does the rest." type:"existingfile" placeholder:"FILE"`
	Progress bool   `help:"Tell how far it is, with --file." default:"true" negatable:""`
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
	if s.File != "" {
		return s.cohort(ctx, env)
	}
	snap, err := s.snapshot(env.term.in)
	if err != nil {
		return usageError{err}
	}
	cfg, err := env.load()
	if err != nil {
		return err
	}
	src, err := s.source(cfg)
	if err != nil {
		return usageError{err}
	}
	source := cmp.Or(src.EmployeesOf, src.Name)
	choice, err := s.choose(cfg, source, snap)
	if err != nil {
		return err
	}
	c, err := connect(ctx, cfg)
	if err != nil {
		return err
	}
	defer c.Close()
	var out intake.Taken
	err = env.withDesk(ctx, cfg, c, func(d *intake.Desk) error {
		out, err = d.StartOne(ctx, intake.StartOneConfig{Source: src.Name, Snapshot: snap, Choice: choice, Again: s.Again})
		return err
	})
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

// started is what came of a file.
type started struct {
	intake.Cohort
	Refusals []intake.CohortRow `json:"refusals,omitempty"`
}

// cohort starts everybody in a file.
func (s *startCmd) cohort(ctx context.Context, env *environment) error {
	if s.Snapshot != "" || s.EmployeeID != "" || s.Profile != "" || s.Again {
		return usageError{hinted{errors.New("--file goes with --source alone"), "the rules choose the profile of each row; firstpass start without --file starts one person"}}
	}
	cfg, err := env.load()
	if err != nil {
		return err
	}
	src, err := s.source(cfg)
	if err != nil {
		return usageError{err}
	}
	x, err := newCompiler(cfg)
	if err != nil {
		return err
	}
	var out started
	gauge, read := env.gauge("started"), env.gauge("read")
	err = env.connectedDesk(ctx, func(d *intake.Desk) error {
		out.Cohort, err = d.StartAll(ctx, intake.CohortConfig{
			Source: src.Name, File: s.File, Compiler: x,
			Beat: func(n int) {
				if s.Progress {
					read.at(n, 0)
				}
			},
			Row: func(r intake.CohortRow) {
				if r.Refused != "" {
					out.Refusals = append(out.Refusals, r)
					if !env.json {
						gauge.end()
						fmt.Fprintf(env.term.out, "%s: %s\n", r.Where, r.Refused)
					}
				}
				if s.Progress {
					gauge.at(r.Done, r.Total)
				}
			},
		})
		gauge.end()
		return err
	})
	if errors.Is(err, intake.ErrBraked) {
		return hinted{err, "if the file is right: firstpass source release " + src.Name + " --reason TEXT, and start it again"}
	}
	if err != nil {
		return hinted{sourceError(err), "who was started stays started; the same command does the rest"}
	}
	if err := env.print(out, func(w io.Writer) {
		fmt.Fprintf(w, "%d read: %d started or told, %d known already, %d passed over, %d refused\n", out.Read, out.Told, out.Known, out.PassedOver, out.Refused)
		if out.Held > 0 {
			fmt.Fprintf(w, "%d wait for somebody to approve an address: firstpass held list\n", out.Held)
		}
	}); err != nil {
		return err
	}
	if out.Refused > 0 {
		return hinted{fmt.Errorf("%d of %d rows were refused", out.Refused, out.Read), "mend the lines named above and start the file again; the others are not started twice"}
	}
	return nil
}

// source returns the source whose employees they are.
func (s *startCmd) source(cfg *config.Config) (config.Source, error) {
	var names []string
	for _, src := range cfg.Sources {
		names = append(names, src.Name)
		if src.Name == s.Source || s.Source == "" && len(cfg.Sources) == 1 {
			return src, nil
		}
	}
	return config.Source{}, fmt.Errorf("name a source with --source: %s", strings.Join(names, ", "))
}

// choose returns the profile that the rules choose, or that is named.
func (s *startCmd) choose(cfg *config.Config, source string, snap jml.Snapshot) (jml.Choice, error) {
	rules, err := newRules(cfg)
	if err != nil {
		return jml.Choice{}, err
	}
	if s.Profile != "" {
		p, ok := rules.Named(s.Profile, snap)
		if !ok {
			return jml.Choice{}, usageError{fmt.Errorf("no profile is called %q in the configuration", s.Profile)}
		}
		return jml.Choice{Profile: p}, nil
	}
	choice := rules.Choose(jml.KindJoiner, source, snap, nil)
	if b := choice.Block; b != nil && snap.Status == jml.StatusScheduled {
		return choice, hinted{fmt.Errorf("refused: %s", b), b.Advice + " Or name one with --profile."}
	}
	return choice, nil
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
