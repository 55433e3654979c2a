package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"time"

	"go.temporal.io/sdk/client"

	"firstpass.internal/cmd/dev/mailbox"
	"firstpass.internal/cmd/dev/phone"
	"firstpass.internal/internal/codec"
	"firstpass.internal/internal/eidsim"
	"firstpass.internal/internal/entrasim"
	"firstpass.internal/internal/simulated"
)

// Files of a world.
const (
	settingsFile = "firstpass.yaml"
	firstpassLog = "firstpass.log"
	pidFile      = "firstpass.pid"
	ledgerFile   = "ledger.db" // and -wal and -shm beside it
	// lettersFolder is the print room's. What lies there opens pick-ups.
	lettersFolder = "letters"
	// exportFolder has the rows of the ledger, day by day, and signed heads.
	exportFolder = "export"
)

// What the simulated providers know us as.
const (
	twilioAccount = "AC00000000000000000000000000dead01"
	eidClient     = "firstpass"
	opsClient     = "c0ffee00-1d5e-4b7a-8a3c-6f1f57a55002" // the console and the API
	robotClient   = "c0ffee00-1d5e-4b7a-8a3c-6f1f57a55003" // a machine that steers
)

// worldConfig says what world to make. Dir and Firstpass are required.
type worldConfig struct {
	// Dir is the state folder. One world at a time may use it.
	Dir string
	// Firstpass is the shipped binary.
	Firstpass string
	// Cohort names the profile of the joiners; default cohortPickup.
	Cohort string
	// Roles are what Firstpass does, with commas between; all of it if empty.
	Roles string
	// Profile is what all profiles share; nil: quickProfile.
	Profile *profileSettings
	// Temporal is a server to share. Nil starts one in Dir, with the Web UI.
	Temporal *temporalServer
	// Namespace must exist on a shared server; default "default".
	Namespace string
	// ExtraSources is YAML that goes to the end of the list of sources.
	ExtraSources string
	// Tenant and Settings change what the tenant and firstpass.yaml are made
	// from.
	Tenant   func(*entrasim.Config)
	Settings func(yaml string) string
	// Progress is told what is being started; may be nil.
	Progress func(string)
}

// world is everything around Firstpass, and Firstpass.
type world struct {
	Keys     *keys
	Temporal *temporalServer
	Tenant   *entrasim.Tenant
	Mailbox  *mailbox.Mailbox
	Phones   *phone.Phones
	EID      *eidsim.Provider
	Ports    worldPorts

	cfg      worldConfig
	ui       *webUI
	unlock   func() error
	payloads client.Options
	opsCA    string // file: what clients of console and API trust

	hiring sync.Mutex // one manager is enough

	mu    sync.Mutex // guards child
	child *child
}

// openWorld starts everything but Firstpass itself.
func openWorld(ctx context.Context, cfg worldConfig) (_ *world, err error) {
	if cfg.Dir, err = filepath.Abs(cfg.Dir); err != nil {
		return nil, err
	}
	if cfg.Firstpass, err = filepath.Abs(cfg.Firstpass); err != nil {
		return nil, err
	}
	if _, err := os.Stat(cfg.Firstpass); err != nil {
		return nil, fmt.Errorf("no product at %s; make build puts it into bin/firstpass: %w", cfg.Firstpass, err)
	}
	if cfg.Namespace == "" {
		cfg.Namespace = "default"
	}
	if cfg.Cohort == "" {
		cfg.Cohort = cohortPickup
	}
	if cfg.Progress == nil {
		cfg.Progress = func(string) {}
	}
	if cfg.Profile == nil {
		p := quickProfile()
		cfg.Profile = &p
	}
	for _, name := range []string{lettersFolder, exportFolder} {
		if err := os.MkdirAll(filepath.Join(cfg.Dir, name), 0o700); err != nil {
			return nil, err
		}
	}
	w := &world{cfg: cfg}
	defer func() {
		if err != nil {
			err = errors.Join(err, w.Close())
		}
	}()
	if w.unlock, err = lockFolder(cfg.Dir); err != nil {
		return nil, err
	}
	if w.Ports, err = keptPorts(cfg.Dir); err != nil {
		return nil, err
	}
	if err := w.Ports.checkFree(cfg.Dir); err != nil {
		return nil, err
	}
	if w.Keys, err = openKeys(w.path("keys")); err != nil {
		return nil, err
	}
	payloads, err := codec.New(codec.Config{Keyring: w.Keys.Payloads, Namespace: cfg.Namespace})
	if err != nil {
		return nil, err
	}
	codec.ClientOptions(&w.payloads, payloads)
	if w.opsCA, err = w.openOps(); err != nil {
		return nil, err
	}
	if err := w.openTenant(); err != nil {
		return nil, err
	}
	if err := w.openMailbox(); err != nil {
		return nil, err
	}
	if err := w.openPhones(); err != nil {
		return nil, err
	}
	if err := w.openEID(); err != nil {
		return nil, err
	}
	if w.Temporal = cfg.Temporal; w.Temporal == nil {
		if err := w.StartTemporal(ctx); err != nil {
			return nil, err
		}
		cfg.Progress("Web UI")
		if w.ui, err = startWebUI(ctx, webUIConfig{
			Port: w.Ports.WebUI, Temporal: w.Temporal.Address, Namespace: cfg.Namespace,
			CodecPort: w.Ports.Codec, Keys: w.Keys.Payloads,
		}); err != nil {
			return nil, err
		}
	}
	return w, w.writeSettings()
}

func (w *world) path(name string) string { return filepath.Join(w.cfg.Dir, name) }

// Settings is the configuration file that Firstpass runs with.
func (w *world) Settings() string { return w.path(settingsFile) }

// IntakeURL is where an HR source posts.
func (w *world) IntakeURL(source string) string {
	return "http://" + loopback(w.Ports.Intake) + "/v1/intake/" + source
}

func (w *world) openTenant() (err error) {
	w.cfg.Progress("simulated tenant")
	cfg := entrasim.Config{
		Addr: loopback(w.Ports.Graph), ManageAddr: loopback(w.Ports.Manage),
		StateFile: w.path("tenant.json"), CertDir: w.path("tenant"),
		ClientSecret:       w.Keys.ClientSecret,
		GrantedPermissions: append(entrasim.DefaultPermissions(), morePermissions()...),
		Apps:               w.opsApps(), Operators: operators(), DeviceInterval: 1,
	}
	if w.cfg.Tenant != nil {
		w.cfg.Tenant(&cfg)
	}
	if w.Tenant, err = entrasim.Start(cfg); err != nil {
		return err
	}
	return simulated.ReplaceFile(w.path("tenant-ca.pem"), w.Tenant.CAPEM())
}

// morePermissions are those that profiles of a world need beyond the least:
// to remove methods, to end sessions, and to look at what firstpass check warns
// of.
func morePermissions() []string {
	return []string{
		"UserAuthMethod-Passkey.ReadWrite.All", "UserAuthMethod-WindowsHello.ReadWrite.All", "UserAuthMethod-PlatformCred.ReadWrite.All",
		"UserAuthMethod-MicrosoftAuthApp.ReadWrite.All", "UserAuthMethod-Phone.ReadWrite.All", "UserAuthMethod-SoftwareOATH.ReadWrite.All",
		"User.RevokeSessions.All", "Policy.Read.All", "Domain.Read.All", "Organization.Read.All",
	}
}

func (w *world) openMailbox() (err error) {
	w.cfg.Progress("mailbox")
	w.Mailbox, err = mailbox.Start(mailbox.Config{
		Dir: w.path("mailbox"), Key: w.Keys.SendGrid, Keys: w.Keys.Mailbox,
		APIAddr: loopback(w.Ports.Mail), PageAddr: loopback(w.Ports.MailPage),
		Tenant:   w.Tenant.ManageURL(),
		EventURL: w.eventURL("mail"),
	})
	return err
}

// eventURL is where a provider reports what became of a channel's messages.
func (w *world) eventURL(channel string) string {
	return "http://" + loopback(w.Ports.Intake) + "/v1/delivery/" + channel
}

func (w *world) openPhones() (err error) {
	w.cfg.Progress("phones")
	w.Phones, err = phone.Start(phone.Config{
		Dir: w.path("phones"), AccountSID: twilioAccount, AuthToken: w.Keys.Twilio, Keys: w.Keys.Mailbox,
		APIAddr: loopback(w.Ports.Texts), PageAddr: loopback(w.Ports.TextPage),
	})
	return err
}

// PickupURL is the root of the pick-up page.
func (w *world) PickupURL() string { return "http://" + loopback(w.Ports.Pickup) }

func (w *world) openEID() (err error) {
	w.cfg.Progress("simulated eID")
	w.EID, err = eidsim.Start(eidsim.Config{
		Addr: loopback(w.Ports.EID), ClientID: eidClient, ClientSecret: w.Keys.EID,
		RedirectURL: w.PickupURL() + "/p/eid/return", Personas: personas(), CertDir: w.path("eid"),
	})
	if err != nil {
		return err
	}
	return simulated.ReplaceFile(w.path("eid-ca.pem"), w.EID.CAPEM())
}

func (w *world) writeSettings() error {
	yaml, err := settings{
		Dir: w.cfg.Dir, Keys: w.Keys.dir,
		TemporalAddress: w.Temporal.Address, Namespace: w.cfg.Namespace,
		TenantURL: w.Tenant.URL(), TenantID: w.Tenant.TenantID(), ClientID: w.Tenant.ClientID(), TenantCA: w.path("tenant-ca.pem"),
		MailURL: w.Mailbox.URL(), MailCA: w.Mailbox.CAFile(), MailEventKey: w.Mailbox.EventKeyFile(),
		TextURL: w.Phones.URL(), TextCA: w.Phones.CAFile(), TextAccount: twilioAccount, TextFrom: "+4555000900",
		EIDURL: w.EID.URL(), EIDCA: w.path("eid-ca.pem"), EIDClient: eidClient,
		Intake: loopback(w.Ports.Intake), Pickup: loopback(w.Ports.Pickup),
		Ops: loopback(w.Ports.Ops), OpsURL: w.OpsURL(), OpsCertificate: w.opsCA, OpsKey: w.path("ops/ops-key.pem"), OpsClient: opsClient,
		Metrics: loopback(w.Ports.Metrics), WebUI: "http://" + loopback(w.Ports.WebUI),
		Letters: w.path(lettersFolder), Offices: offices(), ExtraSources: w.cfg.ExtraSources,
		Cohort: w.cfg.Cohort, Profile: *w.cfg.Profile,
	}.render()
	if err != nil {
		return err
	}
	if w.cfg.Settings != nil {
		yaml = w.cfg.Settings(yaml)
	}
	return simulated.ReplaceFile(w.Settings(), []byte(yaml))
}

// StartTemporal starts the world's own server, again after StopTemporal.
func (w *world) StartTemporal(ctx context.Context) (err error) {
	w.cfg.Progress("Temporal")
	w.Temporal, err = startTemporal(ctx, temporalConfig{
		Dir: w.path("temporal"), Ports: w.Ports.Temporal[:], Namespaces: []string{w.cfg.Namespace}, Batches: true,
	})
	return err
}

// StopTemporal stops the world's own server.
func (w *world) StopTemporal() error { return w.Temporal.Stop() }

// StartFirstpass starts the shipped binary and returns once it takes requests.
func (w *world) StartFirstpass(ctx context.Context) error {
	args := []string{"serve", "--config", w.Settings()}
	if w.cfg.Roles != "" {
		args = append(args, "--role", w.cfg.Roles)
	}
	c, err := startChild(w.cfg.Firstpass, args, w.path(firstpassLog))
	if err != nil {
		return err
	}
	w.mu.Lock()
	w.child = c
	w.mu.Unlock()
	if err := simulated.ReplaceFile(w.path(pidFile), []byte(strconv.Itoa(c.PID()))); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeoutCause(ctx, 30*time.Second, errors.New("waited 30 s"))
	defer cancel()
	err = poll(ctx, 50*time.Millisecond, func() error {
		select {
		case <-c.Done():
			return giveUp{fmt.Errorf("it ended by itself: %s", c.cmd.ProcessState)}
		default:
			return answersHTTP(ctx, "http://"+loopback(w.Ports.Intake)+"/readyz")
		}
	})
	if err != nil {
		return fmt.Errorf("firstpass does not get ready; its words are in %s: %w", w.path(firstpassLog), err)
	}
	return nil
}

// Firstpass is the running binary; nil if there is none.
func (w *world) Firstpass() *child {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.child
}

// StopFirstpass ends it as a service manager does.
func (w *world) StopFirstpass() error {
	c := w.takeChild()
	if c == nil {
		return nil
	}
	return c.Stop(30 * time.Second)
}

// KillFirstpass ends it as kill -9 does.
func (w *world) KillFirstpass() error {
	c := w.takeChild()
	if c == nil {
		return errors.New("firstpass does not run")
	}
	return c.Kill()
}

func (w *world) takeChild() *child {
	w.mu.Lock()
	defer w.mu.Unlock()
	c := w.child
	w.child = nil
	return c
}

// Client returns a Temporal client that reads what Firstpass writes.
func (w *world) Client(ctx context.Context) (client.Client, error) {
	return w.Temporal.Dial(ctx, w.cfg.Namespace, w.payloads)
}

// Close stops everything: who asks before who answers. A shared Temporal stays.
func (w *world) Close() error {
	err := w.StopFirstpass()
	if w.ui != nil {
		w.ui.Stop()
	}
	if w.Temporal != nil && w.cfg.Temporal == nil {
		err = errors.Join(err, w.Temporal.Stop())
	}
	if w.EID != nil {
		err = errors.Join(err, w.EID.Close())
	}
	if w.Phones != nil {
		err = errors.Join(err, w.Phones.Close())
	}
	if w.Mailbox != nil {
		err = errors.Join(err, w.Mailbox.Close())
	}
	if w.Tenant != nil {
		err = errors.Join(err, w.Tenant.Close())
	}
	if w.unlock != nil {
		err = errors.Join(err, w.unlock())
	}
	return err
}
