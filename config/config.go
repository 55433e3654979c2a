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
	Listen         string        `mapstructure:"listen"` // host:port
	TLS            IntakeTLS     `mapstructure:"tls"`
	MaxBody        Size          `mapstructure:"max_body"`
	QuarantineFile string        `mapstructure:"quarantine_file" file:"output"`
	LateLimit      time.Duration `mapstructure:"late_limit"`
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

// Source is one HR system that calls us.
type Source struct {
	Name    string `mapstructure:"name"`
	Profile string `mapstructure:"profile"`
	Verify  Verify `mapstructure:"verify"`
	// Split is a CEL expression that gives the items of a body; empty for
	// [body].
	Split string `mapstructure:"split"`
	// Map holds a CEL expression for each field of a snapshot. Nil means that
	// an item is a canonical snapshot already.
	Map map[string]string `mapstructure:"map"`
}

// VerifyKind names a way of proving where a request comes from.
type VerifyKind string

// The kinds.
const (
	VerifyHMAC             VerifyKind = "hmac"
	VerifyStandardWebhooks VerifyKind = "standard_webhooks"
)

// Verify says how a request proves where it comes from. All but Kind, Tolerance
// and KeyFiles belong to VerifyHMAC alone.
type Verify struct {
	Kind            VerifyKind    `mapstructure:"kind"`
	Algorithm       string        `mapstructure:"algorithm"` // sha256 | sha512
	Encoding        string        `mapstructure:"encoding"`  // hex | base64
	Message         string        `mapstructure:"message"`   // {body}, {header:NAME}, literals
	SignatureHeader string        `mapstructure:"signature_header"`
	SignaturePrefix string        `mapstructure:"signature_prefix"`
	TimestampHeader string        `mapstructure:"timestamp_header"`
	Tolerance       time.Duration `mapstructure:"tolerance"`
	KeyFiles        []string      `mapstructure:"key_files" file:"secret"` // any of them may sign
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
