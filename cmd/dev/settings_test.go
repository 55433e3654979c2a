package main

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"firstpass.internal/cmd/dev/local"
	"firstpass.internal/config"
	"firstpass.internal/internal/jml"
	"firstpass.internal/internal/simulated"
)

// The product must accept what is written, wherever the folder is.
func TestSettingsAreAccepted(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), `a "quoted" folder: #1`)
	k, err := openKeys(filepath.Join(dir, "keys"))
	if err != nil {
		t.Fatal(err)
	}
	_, trust, err := local.Certificate(filepath.Join(dir, "mailbox"), "mailbox")
	if err != nil {
		t.Fatal(err)
	}
	_, opsTrust, err := local.Certificate(filepath.Join(dir, "ops"), "ops")
	if err != nil {
		t.Fatal(err)
	}
	letters := filepath.Join(dir, lettersFolder)
	for _, folder := range []string{letters, filepath.Join(dir, exportFolder)} {
		if err := os.MkdirAll(folder, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	for _, cohort := range []string{cohortPickup, cohortSend, cohortSplit, cohortEID, cohortVouched, cohortFrontline} {
		profile := quickProfile()
		profile.Reminders = []string{"{after: 3s, of: start, to: [{channel: sms, recipient: personal_phone}]}"}
		yaml, err := settings{
			Dir: dir, Keys: k.dir, TemporalAddress: "127.0.0.1:7233", Namespace: "default",
			TenantURL: "https://127.0.0.1:1", TenantID: "5f0e1c52-7b0a-4c1e-9a55-0e5e1f9d2a10", ClientID: "c0ffee00-1d5e-4b7a-8a3c-6f1f57a55001", TenantCA: trust,
			MailURL: "https://127.0.0.1:2", MailCA: trust, MailEventKey: trust, Intake: "127.0.0.1:3", Pickup: "127.0.0.1:4",
			TextURL: "https://127.0.0.1:5", TextCA: trust, TextAccount: twilioAccount, TextFrom: "+4555000900",
			EIDURL: "https://127.0.0.1:6", EIDCA: trust, EIDClient: eidClient, Letters: letters,
			Ops: "127.0.0.1:7", OpsURL: "https://localhost:7", OpsCertificate: opsTrust, OpsKey: filepath.Join(dir, "ops", "ops-key.pem"), OpsClient: opsClient,
			Metrics: "127.0.0.1:8", WebUI: "http://127.0.0.1:9", Offices: offices(),
			ExtraSources: "\n  - name: more\n    use: csv\n    file: {directory: /tmp}\n    default_zone: Europe/Copenhagen\n",
			Cohort:       cohort, Profile: profile,
		}.render()
		if err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(dir, settingsFile)
		if err := simulated.ReplaceFile(path, []byte(yaml)); err != nil {
			t.Fatal(err)
		}
		cfg, err := config.Load(path, func(string) string { return "" })
		if err == nil {
			err = cfg.CheckFiles()
		}
		if err != nil {
			t.Fatalf("%v\n%s", err, yaml)
		}
		got := cfg.Profile(cohort)
		if got.Lifetime != profile.Lifetime || got.Settle != profile.Settle || len(got.Poll) != len(profile.Poll) || !got.OneTime || got.CompleteOn[0] != jml.MethodFIDO2 {
			t.Errorf("%s: got %+v, want %+v", cohort, got, profile)
		}
		if len(got.Reminders) != 1 || len(got.PassRoutes()) == 0 && (len(got.LinkTo) == 0 || len(got.NoticeTo) == 0) {
			t.Errorf("%s: got %+v", cohort, got)
		}
		for kind, name := range map[jml.Kind]string{jml.KindMover: profileTreasury, jml.KindRecovery: profileRecovery, jml.KindStaging: profileStaging} {
			if p := cfg.Profile(name); p.Remove == jml.RemoveNone || len(cfg.Profiles[name].For) != 1 || cfg.Profiles[name].For[0] != kind {
				t.Errorf("%s: got %+v for %v", name, p, cfg.Profiles[name].For)
			}
		}
		for _, name := range []string{profileOffice, profileRehire} {
			if cfg.Profiles[name].When == "" {
				t.Errorf("%s: no rule", name)
			}
		}
		if len(cfg.Sources) != 3 || cfg.Audit.File != filepath.Join(dir, "audit.jsonl") {
			t.Errorf("got %+v", cfg)
		}
		for _, s := range cfg.Sources {
			if s.Profile != cohort {
				t.Errorf("source %s has profile %s, want %s", s.Name, s.Profile, cohort)
			}
		}
	}
}

func TestKeysAreKept(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	first, err := openKeys(dir)
	if err != nil {
		t.Fatal(err)
	}
	again, err := openKeys(dir)
	if err != nil {
		t.Fatal(err)
	}
	if first.BambooHR != again.BambooHR || first.Payloads.Primary() != again.Payloads.Primary() || first.SendGrid == first.ClientSecret {
		t.Error("keys changed, or are the same")
	}
}

func TestPortsAreKept(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if _, err := readPorts(dir); err == nil {
		t.Error("there are ports where no world is")
	}
	first, err := keptPorts(dir)
	if err != nil {
		t.Fatal(err)
	}
	again, err := keptPorts(dir)
	if err != nil || first != again {
		t.Errorf("got %+v, %v, want %+v", again, err, first)
	}
	l, err := local.Listen(loopback(first.Intake))
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if err := first.checkFree(dir); err == nil {
		t.Error("a port that is taken counts as free")
	}
}

// The civil date is the office's, also when it is another day here.
func TestRecordIsLocal(t *testing.T) {
	t.Parallel()
	place, err := findOffice("singapore")
	if err != nil {
		t.Fatal(err)
	}
	r := record{employee: invented("1", "A", "B"), Office: place, Start: time.Date(2026, 12, 31, 16, 0, 30, 0, time.UTC)}
	date, clock, err := r.local()
	if err != nil || date.String() != "2027-01-01" || clock.String() != "00:00:30" {
		t.Errorf("got %s %s, %v", date, clock, err)
	}
	if _, err := findOffice("Atlantis"); err == nil {
		t.Error("an office in Atlantis")
	}
}
