package config

import (
	"time"

	"firstpass.internal/internal/jml"
)

// Config is a whole configuration. It names files that hold secrets and never
// holds a secret itself, so it may be printed.
//
// The file tag says what a path is for: "secret" must be readable by us and not
// by everybody, "public" must be readable, "output" is written by us.
type Config struct {
	Temporal     Temporal              `mapstructure:"temporal"`
	Graph        Graph                 `mapstructure:"graph"`
	Intake       Intake                `mapstructure:"intake"`
	Organisation Organisation          `mapstructure:"organisation"`
	Channels     []Channel             `mapstructure:"channels"`
	Sources      []Source              `mapstructure:"sources"`
	Profiles     map[string]ProfileKey `mapstructure:"profiles"`
	Refs         Refs                  `mapstructure:"refs"`
	Ledger       Ledger                `mapstructure:"ledger"`
	Audit        Audit                 `mapstructure:"audit"`
}

// Temporal says where Temporal is and how payloads are encrypted.
type Temporal struct {
	Address     string      `mapstructure:"address"` // host:port
	Namespace   string      `mapstructure:"namespace"`
	TaskQueue   string      `mapstructure:"task_queue"`
	APIKeyFile  string      `mapstructure:"api_key_file" file:"secret"`
	KeyringFile string      `mapstructure:"keyring_file" file:"secret"`
	TLS         TemporalTLS `mapstructure:"tls"`
}

// TemporalTLS is the TLS client configuration towards Temporal.
type TemporalTLS struct {
	Enabled         bool   `mapstructure:"enabled"`
	CAFile          string `mapstructure:"ca_file" file:"public"`
	CertificateFile string `mapstructure:"certificate_file" file:"public"`
	KeyFile         string `mapstructure:"key_file" file:"secret"`
	ServerName      string `mapstructure:"server_name"`
}

// Graph says which tenant and as whom.
type Graph struct {
	Endpoint   string     `mapstructure:"endpoint"`  // service root, no version or path
	Authority  string     `mapstructure:"authority"` // Entra token service root
	TenantID   string     `mapstructure:"tenant_id"`
	ClientID   string     `mapstructure:"client_id"`
	CAFile     string     `mapstructure:"ca_file" file:"public"`
	Credential Credential `mapstructure:"credential"`
}

// CredentialKind names how Firstpass proves itself to Entra.
type CredentialKind string

// The kinds; each but the last needs exactly its own file.
const (
	CredentialSecret           CredentialKind = "client_secret"
	CredentialCertificate      CredentialKind = "certificate"
	CredentialWorkloadIdentity CredentialKind = "workload_identity"
	CredentialManagedIdentity  CredentialKind = "managed_identity"
)

// Credential is how Firstpass proves itself to Entra.
type Credential struct {
	Kind            CredentialKind `mapstructure:"kind"`
	SecretFile      string         `mapstructure:"secret_file" file:"secret"`
	CertificateFile string         `mapstructure:"certificate_file" file:"secret"` // PEM, with its key
	TokenFile       string         `mapstructure:"token_file" file:"secret"`
}

// Intake is the HTTP side that HR systems call.
type Intake struct {
	Listen    string        `mapstructure:"listen"` // host:port
	TLS       IntakeTLS     `mapstructure:"tls"`
	MaxBody   Size          `mapstructure:"max_body"`
	LateLimit time.Duration `mapstructure:"late_limit"`
	// QuarantineKeep is how long records that could not be read are kept.
	QuarantineKeep time.Duration `mapstructure:"quarantine_keep"`
	// DedupeKeep is how long the ids of deliveries are kept.
	DedupeKeep time.Duration `mapstructure:"dedupe_keep"`
}

// IntakeTLS is the certificate intake serves with; empty for plain HTTP behind
// a proxy.
type IntakeTLS struct {
	CertificateFile string `mapstructure:"certificate_file" file:"public"`
	KeyFile         string `mapstructure:"key_file" file:"secret"`
}

// Organisation is what messages say of you.
type Organisation struct {
	Name      string `mapstructure:"name"`
	SignInURL string `mapstructure:"sign_in_url"`
	Help      string `mapstructure:"help"`
}

// ChannelSendGrid is the only kind of channel so far.
const ChannelSendGrid = "sendgrid"

// Channel is one way of sending messages.
type Channel struct {
	Name       string `mapstructure:"name"`
	Kind       string `mapstructure:"kind"`
	Endpoint   string `mapstructure:"endpoint"` // service root, no version or path
	APIKeyFile string `mapstructure:"api_key_file" file:"secret"`
	From       string `mapstructure:"from"`
	FromName   string `mapstructure:"from_name"`
	ReplyTo    string `mapstructure:"reply_to"`
	CAFile     string `mapstructure:"ca_file" file:"public"`
	Sandbox    bool   `mapstructure:"sandbox"`
}

// ProfileKey is a profile as it is written; Config.Profile gives the jml one.
type ProfileKey struct {
	LeadTime   time.Duration     `mapstructure:"lead_time"`
	StartHour  jml.Clock         `mapstructure:"start_hour"`
	Lifetime   time.Duration     `mapstructure:"lifetime"`
	OneTime    bool              `mapstructure:"one_time"`
	Mode       jml.Mode          `mapstructure:"mode"`
	Channel    string            `mapstructure:"channel"`
	Recipient  jml.RecipientKind `mapstructure:"recipient"`
	CompleteOn []jml.MethodKind  `mapstructure:"complete_on"`
	Settle     time.Duration     `mapstructure:"settle"`
	Timeout    time.Duration     `mapstructure:"timeout"`
	Poll       []time.Duration   `mapstructure:"poll"`
	Recheck    []time.Duration   `mapstructure:"recheck"`
}

// Refs says where the key of the opaque references is.
type Refs struct {
	KeyFile string `mapstructure:"key_file" file:"secret"`
}

// LedgerKind names a database.
type LedgerKind string

// The kinds.
const (
	LedgerSQLite   LedgerKind = "sqlite"   // one file, one machine
	LedgerPostgres LedgerKind = "postgres" // several machines
)

// Ledger says where intake keeps what it has seen, sealed by the keyring.
type Ledger struct {
	Kind    LedgerKind `mapstructure:"kind"`
	File    string     `mapstructure:"file" file:"output"`     // sqlite
	URLFile string     `mapstructure:"url_file" file:"secret"` // postgres: holds postgres://user:password@host/name
}

// Audit says where the audit goes.
type Audit struct {
	File string `mapstructure:"file" file:"output"`
}

// Profile returns the profile called name; the zero Profile if there is none,
// which validation rules out for every name that occurs in the configuration.
func (c *Config) Profile(name string) jml.Profile {
	p, ok := c.Profiles[name]
	if !ok {
		return jml.Profile{}
	}
	return jml.Profile{
		Name:       name,
		LeadTime:   p.LeadTime,
		StartHour:  p.StartHour,
		Lifetime:   p.Lifetime,
		OneTime:    p.OneTime,
		Mode:       p.Mode,
		Channel:    p.Channel,
		Recipient:  p.Recipient,
		CompleteOn: p.CompleteOn,
		Settle:     p.Settle,
		Timeout:    p.Timeout,
		Poll:       p.Poll,
		Recheck:    p.Recheck,
	}
}
