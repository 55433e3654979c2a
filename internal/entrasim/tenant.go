package entrasim

import (
	"crypto/rand"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"fmt"
	"log"
	"net"
	"net/http"
	"sync"
	"time"

	"firstpass.internal/internal/simulated"
)

// Tenant is a running simulated tenant. All its methods may be called from
// several goroutines.
type Tenant struct {
	cfg      Config
	seed     uint64
	ca       *simulated.Authority
	contract *Contract
	faults   *faults
	history  *history

	mu     sync.Mutex // guards st, apps and outbox
	st     *state
	apps   map[string]*app
	outbox []SentMail // not part of the state, which is written to a file
	// signer and what follows belong to the identity provider; mu guards them.
	signer  signer
	forged  map[string]any // SetClaims
	codes   map[string]*grant
	devices map[string]*device

	graph, manage       *http.Server
	graphAddr, mngAddr  net.Addr
	closing             chan struct{}
	gate                sync.Mutex // orders inflight.Add before its Wait
	closed              bool       // guarded by gate
	closeErr            error
	inflight, listeners sync.WaitGroup
}

// Start brings a tenant up and returns when both listeners accept connections.
// It fails on a non-loopback address, an unreadable state file or certificate
// directory, and on a port that is taken.
func Start(cfg Config) (*Tenant, error) {
	cfg = cfg.withDefaults()
	if err := errors.Join(loopbackOnly("Addr", cfg.Addr), loopbackOnly("ManageAddr", cfg.ManageAddr)); err != nil {
		return nil, err
	}
	t := &Tenant{cfg: cfg, seed: cfg.Seed, closing: make(chan struct{}), apps: map[string]*app{},
		signer: signer{dir: cfg.CertDir}, codes: map[string]*grant{}, devices: map[string]*device{}}
	if t.seed == 0 {
		t.seed = randomSeed()
	}
	t.history = newHistory()
	t.faults = newFaults(t.seed, cfg.RandomFaults, t.closing)
	var err error
	if t.contract, err = LoadContract(); err != nil {
		return nil, err
	}
	if t.st, err = openState(cfg); err != nil {
		return nil, err
	}
	t.addDefaultApp()
	for _, a := range cfg.Apps {
		if err := t.AddApp(a); err != nil {
			return nil, err
		}
	}
	if len(t.st.Operators) == 0 {
		for _, o := range cfg.Operators {
			if _, err := t.SetOperator(o); err != nil {
				return nil, err
			}
		}
	}
	if t.ca, err = simulated.OpenAuthority(cfg.CertDir, "entrasim"); err != nil {
		return nil, err
	}
	if err := t.listen(); err != nil {
		return nil, err
	}
	cfg.Logger.Info("simulated tenant is up", "graph", t.URL(), "manage", t.ManageURL(), "seed", t.seed)
	return t, nil
}

func (t *Tenant) listen() error {
	leaf, err := t.ca.Leaf()
	if err != nil {
		return err
	}
	gl, err := net.Listen("tcp", t.cfg.Addr)
	if err != nil {
		return fmt.Errorf("entrasim: graph listener: %w", err)
	}
	ml, err := net.Listen("tcp", t.cfg.ManageAddr)
	if err != nil {
		return errors.Join(fmt.Errorf("entrasim: management listener: %w", err), gl.Close())
	}
	// A name such as localhost is resolved by the system, so what was really
	// bound is looked at once more.
	for _, l := range []net.Listener{gl, ml} {
		if err := loopbackOnly("bound address", l.Addr().String()); err != nil {
			return errors.Join(err, gl.Close(), ml.Close())
		}
	}
	t.graphAddr, t.mngAddr = gl.Addr(), ml.Addr()
	quiet := log.New(quietWriter{t}, "", 0)
	t.graph = &http.Server{
		Handler:           http.HandlerFunc(t.serveTLS),
		TLSConfig:         &tls.Config{Certificates: []tls.Certificate{leaf}, MinVersion: tls.VersionTLS12},
		ReadHeaderTimeout: 10 * time.Second,
		ErrorLog:          quiet,
	}
	t.manage = &http.Server{Handler: t.managementHandler(), ReadHeaderTimeout: 10 * time.Second, ErrorLog: quiet}
	t.listeners.Go(func() { t.ended("graph", t.graph.ServeTLS(gl, "", "")) })
	t.listeners.Go(func() { t.ended("manage", t.manage.Serve(ml)) })
	return nil
}

func (t *Tenant) ended(which string, err error) {
	if !errors.Is(err, http.ErrServerClosed) {
		t.cfg.Logger.Error("listener ended", "listener", which, "error", err)
	}
}

// URL is the base of both Graph (append /v1.0) and the Entra authority.
func (t *Tenant) URL() string { return "https://" + t.graphAddr.String() }

// ManageURL is the base of the management listener.
func (t *Tenant) ManageURL() string { return "http://" + t.mngAddr.String() }

// CAPEM is the certificate a client must trust to speak to URL.
func (t *Tenant) CAPEM() []byte { return t.ca.PEM() }

// Seed is the seed in use; give it as Config.Seed to repeat a run.
func (t *Tenant) Seed() uint64 { return t.seed }

// TenantID is the directory's id, the first path segment of its authority.
func (t *Tenant) TenantID() string { return t.cfg.TenantID }

// ClientID is the id of the app that exists from the start.
func (t *Tenant) ClientID() string { return t.cfg.ClientID }

// ClientSecret is the secret of the app that exists from the start.
func (t *Tenant) ClientSecret() string { return t.cfg.ClientSecret }

// Close stops both listeners, lets held requests go unanswered and waits for
// all handlers. A second call does nothing more.
func (t *Tenant) Close() error {
	t.gate.Lock()
	defer t.gate.Unlock()
	if !t.closed {
		t.closed = true
		close(t.closing)
		t.closeErr = errors.Join(t.graph.Close(), t.manage.Close())
		t.listeners.Wait()
		t.inflight.Wait()
	}
	return t.closeErr
}

// enter counts a handler in, unless the tenant is closing; leave it with
// inflight.Done.
func (t *Tenant) enter() bool {
	select {
	case <-t.closing:
		return false
	default:
	}
	t.gate.Lock()
	defer t.gate.Unlock()
	if t.closed {
		return false
	}
	t.inflight.Add(1)
	return true
}

func (t *Tenant) now() time.Time { return t.cfg.Now().UTC() }

func (t *Tenant) addDefaultApp() {
	perms, kept := t.st.Permissions[t.cfg.ClientID]
	if !kept {
		perms = t.cfg.GrantedPermissions
	}
	t.apps[t.cfg.ClientID] = newApp(t.cfg.ClientSecret)
	t.st.Permissions[t.cfg.ClientID] = perms
}

// quietWriter turns net/http's own complaints (a client that does not trust
// the CA, mostly) into debug lines.
type quietWriter struct{ t *Tenant }

func (q quietWriter) Write(p []byte) (int, error) {
	q.t.cfg.Logger.Debug("http server", "says", string(p))
	return len(p), nil
}

func loopbackOnly(what, addr string) error {
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return fmt.Errorf("entrasim: %s %q: %w", what, addr, err)
	}
	if ip := net.ParseIP(host); host == "localhost" || ip != nil && ip.IsLoopback() {
		return nil
	}
	return fmt.Errorf("entrasim: %s %q: the simulator listens on loopback only", what, addr)
}

func randomSeed() uint64 {
	var b [8]byte
	_, _ = rand.Read(b[:]) // never fails since Go 1.24
	return binary.LittleEndian.Uint64(b[:])>>1 | 1
}
