package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"runtime/debug"
	"slices"
	"sync"
	"time"

	"go.temporal.io/sdk/client"

	"firstpass.internal/activities"
	"firstpass.internal/config"
	"firstpass.internal/internal/graph"
	"firstpass.internal/internal/intake"
	"firstpass.internal/internal/invitation"
	"firstpass.internal/internal/ledger"
	"firstpass.internal/internal/profile"
	"firstpass.internal/internal/telemetry"
	"firstpass.internal/worker"
)

type serveCmd struct {
	LogLevel slog.Level `help:"debug, info, warn or error." default:"info"`
	Role     []role     `help:"What this process does: ${enum}. All of it if not given; pickup wants pickup.url, ops wants ops.url." enum:"intake,work,pickup,ops" placeholder:"ROLE"`
}

// role is a part of the service that can run in a process of its own.
type role string

// The roles.
const (
	roleIntake role = "intake" // HR systems, and what providers report of messages
	roleWork   role = "work"   // the journeys
	rolePickup role = "pickup" // the page where people collect their pass
	roleOps    role = "ops"    // the console and the API for operators
)

// roles returns what this process does.
func (s *serveCmd) roles(cfg *config.Config) ([]role, error) {
	wants := map[role]string{rolePickup: cfg.Pickup.URL, roleOps: cfg.Ops.URL}
	if len(s.Role) == 0 {
		return slices.DeleteFunc([]role{roleIntake, roleWork, rolePickup, roleOps}, func(r role) bool {
			url, wanted := wants[r]
			return wanted && url == ""
		}), nil
	}
	for _, r := range s.Role {
		if url, wanted := wants[r]; wanted && url == "" {
			return nil, usageError{hinted{fmt.Errorf("role %s wants %s.url", r, r), fmt.Sprintf("config/example.yaml describes the section %s", r)}}
		}
	}
	return s.Role, nil
}

// Run implements the command: intake and worker, until told to stop.
func (s *serveCmd) Run(ctx context.Context, env *environment) error {
	cfg, err := env.load()
	if err != nil {
		return err
	}
	log := slog.New(slog.NewJSONHandler(env.term.err, &slog.HandlerOptions{Level: s.LogLevel}))
	if env.getenv("GOGC") == "" {
		debug.SetGCPercent(gcPercent)
	}
	roles, err := s.roles(cfg)
	if err != nil {
		return err
	}
	return serve(ctx, cfg, roles, log)
}

// gcPercent lets the heap grow to four times what is live between two
// collections. A worker keeps up to 10,000 waiting joiners in memory, some
// goroutines each, and walking through them twice as the heap doubles took a
// fifth of what intake takes in a second (measured). GOGC in the environment
// goes before it, and GOMEMLIMIT bounds it.
const gcPercent = 300

func serve(ctx context.Context, cfg *config.Config, roles []role, log *slog.Logger) error {
	tel, err := newTelemetry(cfg, roles, log)
	if err != nil {
		return err
	}
	defer func() {
		last, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
		defer cancel()
		if err := tel.Close(last); err != nil {
			log.Warn("the last metrics could not be pushed", "error", err)
		}
	}()
	failed := make(chan error, 5)
	// First, so that whoever starts us can see that we start; it ends last.
	if probes := newTelemetryPage(cfg, tel, log); probes != nil {
		if err := probes.open(); err != nil {
			return err
		}
		go func() { failed <- probes.serve() }()
		defer closing(probes.server, log)
	}
	// Lazily, so that intake is there to say 503 while Temporal is away.
	temporal, err := connectObserved(cfg, tel, log)
	if err != nil {
		return err
	}
	defer temporal.Close()

	directory, err := newObservedGraph(cfg, graphCalls(tel))
	if err != nil {
		return err
	}
	rules, err := newRules(cfg)
	if err != nil {
		return err
	}
	sources, err := newSources(cfg, rules)
	if err != nil {
		return err
	}
	book, err := openLedger(ctx, cfg)
	if err != nil {
		return err
	}
	defer closing(book, log)
	keeper, err := newLedgerKeeper(cfg, book, slices.Contains(roles, roleWork), log)
	if err != nil {
		return err
	}
	desk, err := newDesk(deskParts{cfg: cfg, temporal: temporal, ledger: book, sources: sources, hires: directory, tel: tel, log: log})
	if err != nil {
		return err
	}
	invitations, err := newBook(cfg, book)
	if err != nil {
		return err
	}
	var (
		pages []page
		work  runner
	)
	if slices.Contains(roles, roleIntake) {
		web, err := newIntake(cfg, temporal, desk, invitations, tel, log)
		if err != nil {
			return err
		}
		pages = append(pages, page{name: "intake", server: web, listen: cfg.Intake.Listen, tls: cfg.Intake.TLS})
	}
	if slices.Contains(roles, rolePickup) {
		web, err := newPickup(cfg, temporal, invitations, tel, log)
		if err != nil {
			return err
		}
		pages = append(pages, page{name: "pickup", server: web, listen: cfg.Pickup.Listen, tls: cfg.Pickup.TLS})
	}
	var seen *operations
	if slices.Contains(roles, roleOps) {
		if seen, err = newOperations(operationsParts{cfg: cfg, temporal: temporal, ledger: book, desk: desk, directory: directory, rules: rules, tel: tel, log: log}); err != nil {
			return err
		}
		web, err := newOps(cfg, seen, book, tel, log)
		if err != nil {
			return err
		}
		pages = append(pages, page{name: "ops", server: web, listen: cfg.Ops.Listen, tls: cfg.Ops.TLS})
	}
	if slices.Contains(roles, roleWork) {
		if work, err = newWorker(cfg, temporal, directory, rules, desk, invitations, book, tel, log); err != nil {
			return err
		}
	}
	health := tel.Health()
	health.Need("temporal", ready(temporal))
	health.Need("ledger", book.Ping)
	ledgers := &chainWatch{book: book, exports: cfg.Audit.KeyFile != "" && cfg.Audit.ExportFolder != "", log: log}
	world := watched(cfg, desk, book, ledgers)
	if seen != nil {
		world.Board, world.Starts = seen.board, starts(cfg, seen.service)
	}
	if err := tel.Watch(world); err != nil {
		return err
	}
	health.Start() // configuration, rules and mappings are compiled, the ledger is up to date
	for i := range pages {
		if err := pages[i].open(); err != nil {
			return err
		}
		go func() { failed <- pages[i].serve() }()
	}
	if work != nil {
		go func() {
			// Start fails while Temporal is away, and is tried until it is not.
			if err := startWorker(ctx, work, log); err != nil {
				failed <- err
			}
		}()
	}
	var tidying sync.WaitGroup
	background, quit := context.WithCancel(context.WithoutCancel(ctx))
	defer tidying.Wait()
	defer quit()
	tidying.Go(func() { health.Run(background) })
	tidying.Go(func() {
		desk.Run(background, intake.Keep{Quarantine: cfg.Intake.QuarantineKeep, Deliveries: cfg.Intake.DedupeKeep})
	})
	if seen != nil {
		tidying.Go(func() { seen.board.Run(background) })
		tidying.Go(func() { seen.service.Run(background) })
		defer seen.service.Close()
	}
	if work != nil {
		tidying.Go(func() { ledgers.run(background) })
	}
	if keeper.stream != nil {
		tidying.Go(func() { keeper.stream.Run(background) })
	}
	if keeper.daily != nil {
		tidying.Go(func() { keeper.daily.Run(background) })
	}
	if work != nil {
		tidying.Go(func() { ensureSchedules(background, cfg, temporal, sources, log) })
		daily := watch{log: log, find: func(ctx context.Context) ([]profile.Finding, error) {
			found, err := conflicts(ctx, cfg, directory)
			return append(found, rules.Check()...), err
		}}
		tidying.Go(func() { daily.run(background) })
	}
	serving := []any{"version", version, "temporal", cfg.Temporal.Address, "namespace", cfg.Temporal.Namespace, "task_queue", cfg.Temporal.TaskQueue}
	for _, p := range pages {
		serving = append(serving, p.name, p.listener.Addr().String())
	}
	log.Info("serving", serving...)

	select {
	case <-ctx.Done():
		err = nil
	case err = <-failed:
	}
	log.Info("stopping; what is under way gets 20 seconds")
	health.Drain()
	// Intake first: nothing new, then what is under way.
	ending, cancel := context.WithTimeout(context.WithoutCancel(ctx), 20*time.Second)
	defer cancel()
	for _, p := range pages {
		if shut := p.server.Shutdown(ending); shut != nil {
			log.Warn(p.name+" did not end in time", "error", shut)
		}
	}
	if work != nil {
		work.Stop()
	}
	return err
}

// page is a listener and who serves it.
type page struct {
	name     string // of its section in the configuration
	server   *http.Server
	listen   string
	tls      config.ServerTLS
	listener net.Listener
}

func (p *page) open() (err error) {
	if p.listener, err = net.Listen("tcp", p.listen); err != nil {
		return hinted{fmt.Errorf("%s.listen: %w", p.name, err), "another process may hold the port"}
	}
	return nil
}

func (p *page) serve() error {
	var err error
	if p.tls.CertificateFile != "" {
		err = p.server.ServeTLS(p.listener, p.tls.CertificateFile, p.tls.KeyFile)
	} else {
		err = p.server.Serve(p.listener)
	}
	if errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return fmt.Errorf("%s: %w", p.name, err)
}

func closing(c io.Closer, log *slog.Logger) {
	if err := c.Close(); err != nil {
		log.Warn("close", "error", err)
	}
}

// runner is the part of a Temporal worker that serve needs.
type runner interface {
	Start() error
	Stop()
}

func newWorker(cfg *config.Config, temporal client.Client, directory *graph.Client, rules *profile.Rules, desk *intake.Desk, invitations *invitation.Book, book *ledger.Ledger, tel *telemetry.Telemetry, log *slog.Logger) (runner, error) {
	sender, err := newSender(cfg, directory)
	if err != nil {
		return nil, err
	}
	acts, err := activities.New(activities.Config{
		Directory:   directory,
		Sender:      tel.Sender(sender),
		Invitations: invitations,
		Profiles:    rules,
		Desks:       desks(cfg),
		Audit:       tel.Trail(book),
		Halts:       book,
		Checkpoints: worker.NewCheckpoints(temporal),
		Now:         time.Now,
		Pause:       pause,
		Logger:      log,
	})
	if err != nil {
		return nil, err
	}
	reads, err := activities.NewIntake(activities.IntakeConfig{Intake: desk, Logger: log})
	if err != nil {
		return nil, err
	}
	return worker.New(worker.Config{Client: temporal, TaskQueue: cfg.Temporal.TaskQueue, Activities: tel.Work(acts), Intake: reads})
}

// ensureSchedules returns once Temporal has the schedules of all sources or ctx
// has ended.
func ensureSchedules(ctx context.Context, cfg *config.Config, temporal client.Client, sources []*intake.Source, log *slog.Logger) {
	s := intake.Schedules{Client: temporal.ScheduleClient(), TaskQueue: cfg.Temporal.TaskQueue}
	for wait := time.Second; ctx.Err() == nil; wait = min(2*wait, 30*time.Second) {
		trying, cancel := context.WithTimeout(ctx, 30*time.Second)
		err := s.Ensure(trying, sources)
		cancel()
		if err == nil {
			return
		}
		if ctx.Err() == nil {
			log.Warn("Temporal does not take the schedules of the sources yet; trying again", "wait", wait.String(), "error", err)
		}
		pause(ctx, wait)
	}
}

// startWorker returns nil once the worker polls or ctx has ended.
func startWorker(ctx context.Context, w runner, log *slog.Logger) error {
	for wait := time.Second; ; wait = min(2*wait, 15*time.Second) {
		err := w.Start()
		if err == nil {
			log.Info("worker polls")
			return nil
		}
		if h := new(hinted); !errors.As(temporalError("start the worker", err), h) {
			return err
		}
		log.Warn("Temporal does not take the worker yet; trying again", "wait", wait.String(), "error", err)
		pause(ctx, wait)
		if ctx.Err() != nil {
			return nil
		}
	}
}

// pause waits for d or until ctx ends.
func pause(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-t.C:
	}
}

func newIntake(cfg *config.Config, temporal client.Client, desk *intake.Desk, invitations *invitation.Book, tel *telemetry.Telemetry, log *slog.Logger) (*http.Server, error) {
	reports, err := newTracking(cfg, temporal, invitations, tel, log)
	if err != nil {
		return nil, err
	}
	handler, err := intake.NewHandler(intake.HandlerConfig{
		Desk:    desk,
		Ready:   tel.Health().Ready,
		MaxBody: int64(cfg.Intake.MaxBody),
		Now:     time.Now,
		Logger:  log,
	})
	if err != nil {
		return nil, err
	}
	mux := http.NewServeMux()
	mux.Handle("/", handler)
	mux.Handle("/v1/delivery/", reports)
	return &http.Server{
		Handler: tel.Serve("intake", mux),
		// A signature is checked only once the body is there, so whoever is
		// slow is cut off.
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       15 * time.Second,
		WriteTimeout:      30 * time.Second,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    32 << 10,
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelWarn),
	}, nil
}
