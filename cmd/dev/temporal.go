package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"go.temporal.io/sdk/client"
	"go.temporal.io/server/common/authorization"
	"go.temporal.io/server/common/dynamicconfig"
	"go.temporal.io/server/common/headers"
	"go.temporal.io/server/common/log"
	"go.temporal.io/server/common/membership/static"
	"go.temporal.io/server/common/primitives"
	"go.temporal.io/server/schema/sqlite"
	"go.temporal.io/server/temporal"
	"google.golang.org/protobuf/types/known/durationpb"

	"firstpass.internal/internal/simulated"
	"firstpass.internal/workflows"
)

// retention is how long closed workflows can be looked at. Temporal's own
// default of a day would make yesterday's joiner vanish.
const retention = 30 * 24 * time.Hour

const clusterName = "active"

// temporalConfig says how to start a server. Dir is required and belongs to one
// server at a time.
type temporalConfig struct {
	// Dir holds the database and the log.
	Dir string
	// Ports of frontend, history, matching and worker service; free ones are
	// taken when empty. Name them to find the server again after a restart.
	Ports []int
	// Namespaces made at start, with Firstpass's search attributes.
	Namespaces []string
	// Batches runs Temporal's own workers in each namespace, which the Web
	// UI's bulk actions and schedules need. Firstpass needs neither.
	Batches bool
}

// temporalServer is a real Temporal server in this process, on a SQLite file.
type temporalServer struct {
	// Address of the frontend, host:port.
	Address string

	meter  *actionMeter
	server temporal.Server
}

// startTemporal returns once the server answers.
func startTemporal(ctx context.Context, cfg temporalConfig) (_ *temporalServer, err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("temporal: %w", err)
		}
	}()
	if len(cfg.Ports) == 0 {
		if cfg.Ports, err = freePorts(temporalPorts); err != nil {
			return nil, err
		}
	}
	if len(cfg.Ports) != temporalPorts {
		return nil, fmt.Errorf("%d ports given, %d needed", len(cfg.Ports), temporalPorts)
	}
	if err := os.MkdirAll(cfg.Dir, 0o700); err != nil {
		return nil, err
	}
	database := filepath.Join(cfg.Dir, "temporal.db")
	if err := prepareDatabase(database, cfg.Namespaces); err != nil {
		return nil, err
	}
	settings := temporalSettings(database, cfg.Ports)
	authorizer, err := authorization.GetAuthorizerFromConfig(&settings.Global.Authorization)
	if err != nil {
		return nil, err
	}
	s := &temporalServer{Address: loopback(cfg.Ports[0]), meter: newActionMeter()}
	s.server, err = temporal.NewServer(
		temporal.WithConfig(settings),
		temporal.ForServices(temporal.DefaultServices),
		temporal.WithStaticHosts(staticHosts(cfg.Ports)),
		temporal.WithAuthorizer(authorizer),
		temporal.WithLogger(log.NewZapLogger(log.BuildZapLogger(log.Config{
			Level: "warn", OutputFile: filepath.Join(cfg.Dir, "temporal.log"),
		}))),
		temporal.WithCustomMetricsHandler(s.meter.Handler()),
		temporal.WithDynamicConfigClient(temporalTuning(cfg.Batches)),
	)
	if err != nil {
		return nil, err
	}
	if err := s.server.Start(); err != nil {
		return nil, err
	}
	if err := s.answers(ctx, cfg.Namespaces); err != nil {
		return nil, errors.Join(err, s.Stop())
	}
	return s, nil
}

// answers waits until every namespace can be described.
func (s *temporalServer) answers(ctx context.Context, namespaces []string) error {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	c, err := client.NewNamespaceClient(client.Options{HostPort: s.Address, Logger: quietSDK()})
	if err != nil {
		return err
	}
	defer c.Close()
	for _, name := range namespaces {
		err := poll(ctx, 50*time.Millisecond, func() error {
			_, err := c.Describe(ctx, name)
			return err
		})
		if err != nil {
			return fmt.Errorf("namespace %s does not answer: %w", name, err)
		}
	}
	return nil
}

// Dial returns a client of one namespace. options may be empty.
func (s *temporalServer) Dial(ctx context.Context, namespace string, options client.Options) (client.Client, error) {
	options.HostPort, options.Namespace = s.Address, namespace
	if options.Logger == nil {
		options.Logger = quietSDK()
	}
	return client.DialContext(ctx, options)
}

// Actions returns how many actions the namespace has used since the server
// started, by the server's own count. Queries are left out: they come from
// whoever looks on, not from a journey.
func (s *temporalServer) Actions(namespace string) int {
	sum := 0
	for kind, n := range s.meter.ByKind(namespace) {
		if !isQuery(kind) {
			sum += n
		}
	}
	return sum
}

// ActionsByKind is Actions in detail, queries included.
func (s *temporalServer) ActionsByKind(namespace string) map[string]int {
	return s.meter.ByKind(namespace)
}

// Stop ends the server. What is running goes on when one is started again on
// the same folder.
func (s *temporalServer) Stop() error { return s.server.Stop() }

// prepareDatabase makes the database at its first use and the namespaces that
// are missing.
func prepareDatabase(path string, namespaces []string) error {
	made := path + ".version"
	switch raw, err := os.ReadFile(made); {
	case errors.Is(err, fs.ErrNotExist):
		// A set-up that was interrupted leaves half a schema, which can't be
		// completed, so the version is written last and its absence means
		// start over.
		for _, suffix := range []string{"", "-wal", "-shm", "-journal"} {
			if err := os.Remove(path + suffix); err != nil && !errors.Is(err, fs.ErrNotExist) {
				return err
			}
		}
		if err := sqlite.SetupSchema(sqlStore(path)); err != nil {
			return fmt.Errorf("make the database: %w", err)
		}
	case err != nil:
		return err
	case strings.TrimSpace(string(raw)) != headers.ServerVersion:
		return fmt.Errorf("the database in %s was made by Temporal %s, this is %s, and SQLite files can't be upgraded: "+
			"remove the folder (joiners in flight are lost) or go back to the older build",
			filepath.Dir(path), strings.TrimSpace(string(raw)), headers.ServerVersion)
	}
	if err := createNamespaces(path, namespaces); err != nil {
		return fmt.Errorf("make the namespaces: %w", err)
	}
	return simulated.ReplaceFile(made, []byte(headers.ServerVersion+"\n"))
}

func createNamespaces(path string, names []string) error {
	var all []*sqlite.NamespaceConfig
	for _, name := range names {
		ns, err := sqlite.NewNamespaceConfig(clusterName, name, false, workflows.Attributes())
		if err != nil {
			return err
		}
		ns.Detail.Config.Retention = durationpb.New(retention)
		all = append(all, ns)
	}
	return sqlite.CreateNamespaces(sqlStore(path), all...)
}

// temporalTuning turns off what calls home and what a machine of one person
// does not need.
func temporalTuning(batches bool) dynamicconfig.StaticClient {
	tuning := dynamicconfig.StaticClient{
		dynamicconfig.EnableServerVersionCheck.Key():            false,
		dynamicconfig.MatchingNumTaskqueueReadPartitions.Key():  1,
		dynamicconfig.MatchingNumTaskqueueWritePartitions.Key(): 1,
	}
	if !batches {
		tuning[dynamicconfig.WorkerPerNamespaceWorkerCount.Key()] = 0
	}
	return tuning
}

func staticHosts(ports []int) map[primitives.ServiceName]static.Hosts {
	return map[primitives.ServiceName]static.Hosts{
		primitives.FrontendService: static.SingleLocalHost(loopback(ports[0])),
		primitives.HistoryService:  static.SingleLocalHost(loopback(ports[1])),
		primitives.MatchingService: static.SingleLocalHost(loopback(ports[2])),
		primitives.WorkerService:   static.SingleLocalHost(loopback(ports[3])),
	}
}
