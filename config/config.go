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
	Pickup       Pickup                `mapstructure:"pickup"`
	Organisation Organisation          `mapstructure:"organisation"`
	Messages     Messages              `mapstructure:"messages"`
	Desks        []Desk                `mapstructure:"desks"`
	Channels     []Channel             `mapstructure:"channels"`
	Proofs       map[string]Proof      `mapstructure:"proofs"`
	Sources      []Source              `mapstructure:"sources"`
	Profiles     map[string]ProfileKey `mapstructure:"profiles"`
	Calendars    []Calendar            `mapstructure:"calendars"`
	// Verifications are the ways in which a caller may be verified before
	// somebody starts a recovery or a staging, by the words operators use.
	Verifications []string  `mapstructure:"verifications"`
	Refs          Refs      `mapstructure:"refs"`
	Ledger        Ledger    `mapstructure:"ledger"`
	Audit         Audit     `mapstructure:"audit"`
	Ops           Ops       `mapstructure:"ops"`
	Telemetry     Telemetry `mapstructure:"telemetry"`
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
	Listen string    `mapstructure:"listen"` // host:port
	TLS    ServerTLS `mapstructure:"tls"`
	// URL is what the world calls the listener: https://host, no path. Twilio
	// is told to report there.
	URL       string        `mapstructure:"url"`
	MaxBody   Size          `mapstructure:"max_body"`
	LateLimit time.Duration `mapstructure:"late_limit"`
	// QuarantineKeep is how long records that could not be read are kept.
	QuarantineKeep time.Duration `mapstructure:"quarantine_keep"`
	// DedupeKeep is how long the ids of deliveries are kept.
	DedupeKeep time.Duration `mapstructure:"dedupe_keep"`
}

// ServerTLS is the certificate a listener serves with; empty for plain HTTP
// behind a proxy.
type ServerTLS struct {
	CertificateFile string `mapstructure:"certificate_file" file:"public"`
	KeyFile         string `mapstructure:"key_file" file:"secret"`
}

// Pickup is the page where people collect their pass. Without url there is
// none, and no profile can have mode pickup.
type Pickup struct {
	Listen string    `mapstructure:"listen"` // host:port
	TLS    ServerTLS `mapstructure:"tls"`
	// URL is what links begin with: https://host, no path.
	URL string `mapstructure:"url"`
	// KeyFile holds 32 or more random bytes in base64. Links and codes derive
	// from it.
	KeyFile string `mapstructure:"key_file" file:"secret"`
	// ClientIPHeader names the header in which a proxy tells the visitor's
	// address; empty: who connects is the visitor. Its last entry counts.
	ClientIPHeader string `mapstructure:"client_ip_header"`
	// TriesPerMinute bounds wrong entries from one address.
	TriesPerMinute int `mapstructure:"tries_per_minute"`
}

// Organisation is what messages and pages say of you.
type Organisation struct {
	Name      string `mapstructure:"name"`
	SignInURL string `mapstructure:"sign_in_url"`
	Help      string `mapstructure:"help"`
	Colour    string `mapstructure:"colour"`                  // #rrggbb, of the pages' header and buttons
	LogoFile  string `mapstructure:"logo_file" file:"public"` // SVG or PNG
}

// Messages says how messages are worded.
type Messages struct {
	// Locale is the BCP 47 tag for whoever has none that there are templates in.
	Locale string `mapstructure:"locale"`
	// Folder overlays the built-in templates, file by file.
	Folder string `mapstructure:"folder"`
}

// Desk is people who help on the spot: a service desk, a reception.
type Desk struct {
	Name   string `mapstructure:"name"`
	Mail   string `mapstructure:"mail"`
	Phone  string `mapstructure:"phone"` // E.164
	Locale string `mapstructure:"locale"`
	Zone   string `mapstructure:"zone"` // IANA
}

// ChannelKind names a provider's protocol.
type ChannelKind string

// The kinds.
const (
	ChannelSendGrid ChannelKind = "sendgrid" // mail, by SendGrid's v3 API
	ChannelSMTP     ChannelKind = "smtp"     // mail, by a relay with TLS
	ChannelGraph    ChannelKind = "graph"    // mail, from a mailbox of the tenant
	ChannelTwilio   ChannelKind = "twilio"   // text messages
	ChannelWebhook  ChannelKind = "webhook"  // signed POST (Standard Webhooks): ITSM, kiosk, chat bot
	ChannelTeams    ChannelKind = "teams"    // a Microsoft Teams channel; never anything secret
	ChannelSlack    ChannelKind = "slack"    // a Slack channel; never anything secret
	ChannelLetter   ChannelKind = "letter"   // files to print; never a passcode
)

// Channel is one way of sending messages. Which keys a kind takes stands in
// example.yaml.
type Channel struct {
	Name     string      `mapstructure:"name"`
	Kind     ChannelKind `mapstructure:"kind"`
	Endpoint string      `mapstructure:"endpoint"` // sendgrid, twilio: service root, no version or path
	CAFile   string      `mapstructure:"ca_file" file:"public"`
	// AtOnce bounds how many messages are under way at a time, so that a
	// channel that hangs keeps nobody else waiting.
	AtOnce int `mapstructure:"at_once"`

	// Mail, and the sender of text messages.
	From     string `mapstructure:"from"`
	FromName string `mapstructure:"from_name"`
	ReplyTo  string `mapstructure:"reply_to"`

	// sendgrid
	APIKeyFile string `mapstructure:"api_key_file" file:"secret"`
	Sandbox    bool   `mapstructure:"sandbox"`
	// Templates are SendGrid's dynamic templates, by message; the others use
	// the built-in ones.
	Templates map[string]string `mapstructure:"templates"`
	// EventKeyFile holds the verification key of the signed Event Webhook.
	EventKeyFile string `mapstructure:"event_key_file" file:"public"`

	// smtp
	Server       string `mapstructure:"server"` // host:port
	ImplicitTLS  bool   `mapstructure:"implicit_tls"`
	Username     string `mapstructure:"username"`
	PasswordFile string `mapstructure:"password_file" file:"secret"`

	// twilio
	AccountSID    string `mapstructure:"account_sid"`
	AuthTokenFile string `mapstructure:"auth_token_file" file:"secret"`
	// MessagingService is sent by instead of From.
	MessagingService string `mapstructure:"messaging_service"`
	// Segments bounds a text: 160 characters of GSM-7 are one.
	Segments int `mapstructure:"segments"`

	// webhook
	URL     string `mapstructure:"url"`
	KeyFile string `mapstructure:"key_file" file:"secret"` // whsec_…

	// teams, slack: holds the webhook's URL, which is its secret
	URLFile string `mapstructure:"url_file" file:"secret"`

	// letter
	Folder string         `mapstructure:"folder"`
	Format []LetterFormat `mapstructure:"format"`
	Return string         `mapstructure:"return_address"`
}

// LetterFormat is a kind of file to print.
type LetterFormat string

// The formats.
const (
	LetterHTML LetterFormat = "html"
	LetterPDF  LetterFormat = "pdf"
)

// Route is one way of getting a message to somebody.
type Route struct {
	Channel   string            `mapstructure:"channel"`
	Recipient jml.RecipientKind `mapstructure:"recipient"`
	Desk      string            `mapstructure:"desk"` // with recipient desk
}

// Proof is a way for visitors of the pick-up page to show who they are.
type Proof struct {
	Kind jml.ProofKind `mapstructure:"kind"`
	// fact: which of birth_date and employee_id are asked for; all must be right.
	Ask []string `mapstructure:"ask"`
	// oidc
	Issuer           string   `mapstructure:"issuer"`
	ClientID         string   `mapstructure:"client_id"`
	ClientSecretFile string   `mapstructure:"client_secret_file" file:"secret"`
	Scopes           []string `mapstructure:"scopes"`
	ACRValues        []string `mapstructure:"acr_values"` // one of them must be in the token
	// UserInfo adds the claims of the provider's userinfo endpoint.
	UserInfo bool `mapstructure:"userinfo"`
	// Match is a CEL rule over claims and employee that must be true.
	Match string `mapstructure:"match"`
	// Subject is a CEL expression over claims: the identifier of which a keyed
	// hash is kept.
	Subject string `mapstructure:"subject"`
	CAFile  string `mapstructure:"ca_file" file:"public"`
	// manager: how the manager is asked.
	To []Route `mapstructure:"to"`
}

// ReminderKey is a reminder as it is written: before or after of.
type ReminderKey struct {
	Before time.Duration `mapstructure:"before"`
	After  time.Duration `mapstructure:"after"`
	Of     jml.Anchor    `mapstructure:"of"`
	To     []Route       `mapstructure:"to"`
}

// QuietKey is the part of the local day in which nobody is reminded.
type QuietKey struct {
	From  jml.Clock `mapstructure:"from"`
	Until jml.Clock `mapstructure:"until"`
}

// ProfileKey is a profile as it is written; Config.Profile gives the jml one.
type ProfileKey struct {
	// For lists the kinds of journeys; default joiner.
	For []jml.Kind `mapstructure:"for"`
	// When is a CEL rule over employee, user and journey; the profile is chosen
	// for whom it is true. Without it only by name: a source's profile, or the
	// only one for a recovery or a staging.
	When       string             `mapstructure:"when"`
	LeadDays   int                `mapstructure:"lead_days"`
	Late       jml.LateRule       `mapstructure:"late"` // now, ask or block
	Approve    bool               `mapstructure:"approve"`
	Approval   ApprovalKey        `mapstructure:"approval"`
	Privileged bool               `mapstructure:"privileged"`
	Unfinished jml.UnfinishedRule `mapstructure:"unfinished"` // wait, offer or reissue
	Remove     jml.RemoveRule     `mapstructure:"remove"`     // none, older, lost or registered
	Cap        CapKey             `mapstructure:"cap"`
	AAGUIDs    []string           `mapstructure:"aaguids"`
	Devices    int                `mapstructure:"devices"`
	ChangeTo   []Route            `mapstructure:"change_to"`
	MissedTo   []Route            `mapstructure:"missed_to"`

	LeadTime   time.Duration    `mapstructure:"lead_time"`
	StartHour  jml.Clock        `mapstructure:"start_hour"`
	Lifetime   time.Duration    `mapstructure:"lifetime"`
	OneTime    bool             `mapstructure:"one_time"`
	Mode       jml.Mode         `mapstructure:"mode"`
	PassTo     []Route          `mapstructure:"pass_to"`
	RestTo     []Route          `mapstructure:"rest_to"`
	LinkTo     []Route          `mapstructure:"link_to"`
	CodeTo     []Route          `mapstructure:"code_to"`
	LinkValid  time.Duration    `mapstructure:"link_valid"`
	Proofs     []string         `mapstructure:"proofs"`
	Window     time.Duration    `mapstructure:"window"`
	NoticeTo   []Route          `mapstructure:"notice_to"`
	AlertTo    []Route          `mapstructure:"alert_to"`
	Reminders  []ReminderKey    `mapstructure:"reminders"`
	QuietHours QuietKey         `mapstructure:"quiet_hours"`
	Reissues   int              `mapstructure:"reissues"`
	CompleteOn []jml.MethodKind `mapstructure:"complete_on"`
	Settle     time.Duration    `mapstructure:"settle"`
	Timeout    time.Duration    `mapstructure:"timeout"`
	Poll       []time.Duration  `mapstructure:"poll"`
	Recheck    []time.Duration  `mapstructure:"recheck"`
}

// Calendar tells the working days of some sites.
type Calendar struct {
	Name string `mapstructure:"name"`
	// Sites as HR calls them; Countries (ISO 3166-1 alpha-2) for those whose
	// site no calendar lists.
	Sites     []string   `mapstructure:"sites"`
	Countries []string   `mapstructure:"countries"`
	Weekend   []string   `mapstructure:"weekend"` // English names of days
	Holidays  []jml.Date `mapstructure:"holidays"`
	// ICalFile holds all-day events that are holidays too (RFC 5545).
	ICalFile string `mapstructure:"ical_file" file:"public"`
}

// ApprovalKey says who is asked to approve, and how long he has.
type ApprovalKey struct {
	To     []Route       `mapstructure:"to"` // desks and rooms
	Within time.Duration `mapstructure:"within"`
}

// CapKey bounds how often something may be asked for.
type CapKey struct {
	Count int           `mapstructure:"count"`
	Per   time.Duration `mapstructure:"per"`
	Rest  time.Duration `mapstructure:"rest"`
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

// Audit says what becomes of the rows of the ledger's chain.
type Audit struct {
	// File is the stream for a SIEM: every row as a JSON line, once it is in the
	// ledger.
	File string `mapstructure:"file" file:"output"`
	// KeyFile holds the Ed25519 key (PKCS #8, PEM) that signs heads of the chain.
	KeyFile string `mapstructure:"key_file" file:"secret"`
	// ExportFolder is where the rows of each day and a signed head go.
	ExportFolder string `mapstructure:"export_folder"`
}

// Ops is the console and the API for operators. Without url there is neither.
type Ops struct {
	Listen string    `mapstructure:"listen"` // host:port
	TLS    ServerTLS `mapstructure:"tls"`
	// URL is what browsers call it: https://host, no path.
	URL    string `mapstructure:"url"`
	SignIn SignIn `mapstructure:"sign_in"`
	// TemporalUI is where Temporal's own UI is, for links: https://host, with a
	// path if it has one. Empty: no links.
	TemporalUI string `mapstructure:"temporal_ui"`
}

// SignIn says who may use the console and the API, by OpenID Connect.
type SignIn struct {
	Issuer           string `mapstructure:"issuer"`    // of Entra: https://login.microsoftonline.com/TENANT/v2.0
	ClientID         string `mapstructure:"client_id"` // of the app registration for operators
	ClientSecretFile string `mapstructure:"client_secret_file" file:"secret"`
	// Audience is what access tokens of machines are for; default client_id.
	Audience string `mapstructure:"audience"`
	CAFile   string `mapstructure:"ca_file" file:"public"`
	// Groups gives roles to members of groups (object ids), besides app roles.
	Groups map[string][]string `mapstructure:"groups"`
	// Idle ends a session that is not used, Longest any.
	Idle    time.Duration `mapstructure:"idle"`
	Longest time.Duration `mapstructure:"longest"`
}

// Telemetry says where metrics, traces and health are told.
type Telemetry struct {
	// Listen serves /metrics, /livez, /readyz, /startupz and /statusz: host:port.
	// Empty: nowhere.
	Listen string `mapstructure:"listen"`
	OTLP   OTLP   `mapstructure:"otlp"`
}

// OTLP says where metrics and traces are pushed, by OTLP over HTTP.
type OTLP struct {
	Endpoint string `mapstructure:"endpoint"` // https://host:port, no path; empty: nowhere
	CAFile   string `mapstructure:"ca_file" file:"public"`
	// HeadersFile holds a header per line, Name: value.
	HeadersFile string `mapstructure:"headers_file" file:"secret"`
}

// Profile returns the profile called name; the zero Profile if there is none,
// which validation rules out for every name that occurs in the configuration.
func (c *Config) Profile(name string) jml.Profile {
	p, ok := c.Profiles[name]
	if !ok {
		return jml.Profile{}
	}
	out := jml.Profile{
		Name:       name,
		LeadTime:   p.LeadTime,
		StartHour:  p.StartHour,
		Lifetime:   p.Lifetime,
		OneTime:    p.OneTime,
		Mode:       p.Mode,
		PassTo:     routes(p.PassTo),
		RestTo:     routes(p.RestTo),
		LinkTo:     routes(p.LinkTo),
		CodeTo:     routes(p.CodeTo),
		LinkValid:  p.LinkValid,
		Window:     p.Window,
		NoticeTo:   routes(p.NoticeTo),
		AlertTo:    routes(p.AlertTo),
		Reissues:   p.Reissues,
		CompleteOn: p.CompleteOn,
		Settle:     p.Settle,
		Timeout:    p.Timeout,
		Poll:       p.Poll,
		Recheck:    p.Recheck,
		LeadDays:   p.LeadDays,
		Approve:    p.Approve,
		Privileged: p.Privileged,
		AAGUIDs:    p.AAGUIDs,
		Devices:    p.Devices,
		ChangeTo:   routes(p.ChangeTo),
		MissedTo:   routes(p.MissedTo),
	}
	if p.Late != "now" {
		out.Late = p.Late
	}
	if p.Unfinished != "wait" {
		out.Unfinished = p.Unfinished
	}
	if p.Remove != "none" {
		out.Remove = p.Remove
	}
	if p.Approval.Within > 0 || len(p.Approval.To) > 0 {
		out.Approval = &jml.ApprovalRule{To: routes(p.Approval.To), Within: p.Approval.Within}
	}
	if p.Cap.Count > 0 || p.Cap.Rest > 0 {
		out.Cap = &jml.Cap{Count: p.Cap.Count, Per: p.Cap.Per, Rest: p.Cap.Rest}
	}
	for _, name := range p.Proofs {
		out.Proofs = append(out.Proofs, jml.Proof{Name: name, Kind: c.Proofs[name].Kind, To: routes(c.Proofs[name].To)})
	}
	for _, r := range p.Reminders {
		offset := r.After
		if r.Before > 0 {
			offset = -r.Before
		}
		out.Reminders = append(out.Reminders, jml.Reminder{Anchor: r.Of, Offset: offset, To: routes(r.To)})
	}
	if q := p.QuietHours; q.From != q.Until {
		out.Quiet = &jml.QuietHours{From: q.From, Until: q.Until}
	}
	return out
}

func routes(list []Route) []jml.Route {
	var out []jml.Route
	for _, r := range list {
		out = append(out, jml.Route{Channel: r.Channel, Recipient: r.Recipient, Desk: r.Desk})
	}
	return out
}
