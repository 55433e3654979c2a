package ops

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/converter"

	"firstpass.internal/internal/audit"
	"firstpass.internal/internal/intake"
	"firstpass.internal/internal/jml"
	"firstpass.internal/internal/ledger"
	"firstpass.internal/internal/ops/access"
	"firstpass.internal/internal/ops/board"
)

// Temporal is what the service asks of Temporal; client.Client is one.
type Temporal interface {
	QueryWorkflow(ctx context.Context, workflowID, runID, queryType string, args ...any) (converter.EncodedValue, error)
	UpdateWorkflow(context.Context, client.UpdateWorkflowOptions) (client.WorkflowUpdateHandle, error)
	SignalWorkflow(ctx context.Context, workflowID, runID, signalName string, arg any) error
	DescribeWorkflowExecution(ctx context.Context, workflowID, runID string) (*workflowservice.DescribeWorkflowExecutionResponse, error)
	GetWorkflow(ctx context.Context, workflowID, runID string) client.WorkflowRun
}

// Ledger is what the service reads and writes; *ledger.Ledger is one.
type Ledger interface {
	Append(context.Context, audit.Entry) error
	Rows(context.Context, ledger.RowFilter) ([]audit.Row, error)
	Halt(context.Context) (ledger.Halt, error)
	SetHalt(context.Context, ledger.Halt) error
	Pauses(context.Context) ([]ledger.Pause, error)
	SetPause(context.Context, ledger.Pause) error
	Counts(ctx context.Context, source string, since time.Time) (map[string]int, error)
}

// Desk is what intake knows and does; *intake.Desk is one.
type Desk interface {
	Sources() []string
	Status(context.Context) ([]intake.Status, error)
	QuarantineList(ctx context.Context, source string) ([]intake.Quarantined, error)
	QuarantineReplay(ctx context.Context, id string) (intake.Replayed, error)
	QuarantineDrop(ctx context.Context, id, actor, reason string) error
	HeldList(context.Context) ([]intake.Held, error)
	HeldContact(ctx context.Context, ref string) (h intake.Held, now, waiting jml.Snapshot, err error)
	Decide(ctx context.Context, ref, actor, reason string, approve bool) (intake.Taken, error)
	Release(ctx context.Context, source, actor, reason string) (string, error)
	Employee(ctx context.Context, source, name string) ([]intake.Employee, error)
	Everybody(ctx context.Context, limit int) ([]intake.Employee, error)
	Ask(ctx context.Context, kind jml.Kind, source, ref string, r jml.Request) (intake.Outcome, error)
}

// Directory finds users and their methods; *graph.Client is one.
type Directory interface {
	FindUsers(context.Context, jml.Match) ([]jml.User, error)
	Methods(ctx context.Context, userID string) ([]jml.Method, error)
}

// Profiles says which profile is for a journey; *profile.Rules is one.
type Profiles interface {
	Choose(kind jml.Kind, source string, s jml.Snapshot, user *jml.User) jml.Choice
}

// Board is where journeys stand; *board.Board is one.
type Board interface {
	Rows(board.Filter) []board.Row
	Each(board.Filter, func(*board.Row) bool)
	Row(workflowID string) (board.Row, bool)
	State() board.State
	Wait(ctx context.Context, version uint64) uint64
}

// Config is what a service needs. Temporal, Ledger and Board are required.
type Config struct {
	Temporal Temporal
	Ledger   Ledger
	Board    Board
	Desk     Desk // nil: there are no sources
	// Directory and Profiles are for recoveries and stagings; nil: nobody can
	// ask for one here.
	Directory Directory
	Profiles  Profiles
	// Profile returns a profile by its name, for what lies ahead of a journey;
	// nil: reminders are not told.
	Profile func(name string) (jml.Profile, bool)
	// Verifications are the ways in which a caller may be verified, as the
	// configuration names them.
	Verifications []string
	// Patience is how long an act waits until a pass is confirmed gone; zero: 20 s.
	Patience time.Duration
	Now      func() time.Time
	Log      *slog.Logger
}

// Service is what operators can see and do. It is safe for concurrent use.
type Service struct {
	cfg   Config
	names namebook
	head  head
	slo   readiness

	work sync.WaitGroup // what goes on behind an answer
	stop context.CancelFunc
	life context.Context
}

// New returns a service. Run is for what it does by itself; Close ends what it
// has begun.
func New(cfg Config) (*Service, error) {
	if cfg.Temporal == nil || cfg.Ledger == nil || cfg.Board == nil {
		return nil, errors.New("ops: a Temporal client, a ledger and a board are needed")
	}
	if cfg.Patience == 0 {
		cfg.Patience = 20 * time.Second
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	s := &Service{cfg: cfg}
	s.life, s.stop = context.WithCancel(context.Background())
	return s, nil
}

// Close ends what goes on in the background, and waits for it.
func (s *Service) Close() {
	s.stop()
	s.work.Wait()
}

// seers see journeys, passes, feeds and their own rows of the ledger.
func seers() []access.Role {
	return []access.Role{access.Viewer, access.Operator, access.Approver, access.Auditor}
}

// finders find an employee by name or id.
func finders() []access.Role { return []access.Role{access.Operator, access.Desk} }

// need returns who asks, if they have one of the roles. What they wanted in vain
// becomes a row.
func (s *Service) need(ctx context.Context, what, ref string, roles ...access.Role) (access.Identity, error) {
	who, ok := access.From(ctx)
	if !ok || who.Name == "" {
		return who, &Refusal{Kind: RefusedSignIn, What: "nobody has signed in", Do: "sign in, or give a token"}
	}
	if who.Has(roles...) {
		return who, nil
	}
	// It is refused whether or not the row can be written.
	if err := s.write(ctx, audit.Entry{Event: audit.EventAccessDenied, Ref: ref, Actor: who.Name, Detail: what}); err != nil {
		s.cfg.Log.Error("a refusal could not be written to the ledger", "what", what)
	}
	return who, &Refusal{Kind: RefusedForbidden, What: "this needs the role " + or(roles), Do: "ask whoever assigns the application's roles"}
}

func or(roles []access.Role) string {
	out := ""
	for i, r := range roles {
		switch {
		case i == 0:
		case i == len(roles)-1:
			out += " or "
		default:
			out += ", "
		}
		out += string(r)
	}
	return out
}

// write makes a row of what is about to happen.
func (s *Service) write(ctx context.Context, e audit.Entry) error {
	e.Time = s.cfg.Now()
	return s.cfg.Ledger.Append(ctx, e)
}

// record is write for an act: without its row nothing is done.
func (s *Service) record(ctx context.Context, e audit.Entry) error {
	if err := s.write(ctx, e); err != nil {
		s.cfg.Log.Error("the ledger takes no row, so nothing is done", "event", string(e.Event))
		return ledgerAway()
	}
	return nil
}

func ledgerAway() *Refusal {
	return &Refusal{Kind: RefusedAway, What: "the ledger can't be read or written; without its row nothing is done", Do: "mend the database, then try again"}
}

func temporalAway() *Refusal {
	return &Refusal{Kind: RefusedAway, What: "Temporal does not answer", Do: "is it running at temporal.address, and reachable from here?"}
}

func workerAway() *Refusal {
	return &Refusal{Kind: RefusedAway, What: "no worker answered", Do: "is firstpass serve running, and has it the key of temporal.keyring_file?"}
}

func noDesk() *Refusal {
	return &Refusal{Kind: RefusedMissing, What: "there are no sources in the configuration", Do: "add one under sources"}
}
