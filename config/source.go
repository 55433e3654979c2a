package config

import "time"

// SourceKind says how what an HR system knows reaches us.
type SourceKind string

// The kinds.
const (
	SourceWebhook SourceKind = "webhook" // it calls us
	SourcePoll    SourceKind = "poll"    // we call its REST interface on a schedule
	SourceFile    SourceKind = "file"    // it writes files, which we read on a schedule
	SourceSCIM    SourceKind = "scim"    // it provisions to us by SCIM 2.0
	SourceEntra   SourceKind = "entra"   // the tenant itself knows employeeHireDate
)

// Source is one HR system.
type Source struct {
	Name string `mapstructure:"name"`
	// Use names a ready-made source, or a file of one, whose keys hold where
	// this section has none of its own.
	Use     string     `mapstructure:"use"`
	Kind    SourceKind `mapstructure:"kind"`
	Profile string     `mapstructure:"profile"`
	// EmployeesOf names another source whose employees these are: a poll heals
	// what its webhooks lost. Its profile and contact_guard hold here too.
	EmployeesOf string `mapstructure:"employees_of"`
	// Settings are texts that expressions see as settings.NAME: what differs
	// between two customers of one HR system.
	Settings map[string]string `mapstructure:"settings"`

	Verify    Verify    `mapstructure:"verify"`    // webhook and scim
	Handshake Handshake `mapstructure:"handshake"` // webhook
	// Dedupe is a CEL expression over header and body that gives the id of a
	// delivery. One that was taken before is answered and passed over. Webhook.
	Dedupe string `mapstructure:"dedupe"`
	// Split is a CEL expression that gives the items of a body, a page or a JSON
	// file; empty for [body].
	Split string `mapstructure:"split"`
	// When is a CEL expression over item; items for which it is false are
	// answered and passed over. Empty for true.
	When  string `mapstructure:"when"`
	Fetch Fetch  `mapstructure:"fetch"` // webhook
	Poll  Poll   `mapstructure:"poll"`
	File  File   `mapstructure:"file"`
	Entra Entra  `mapstructure:"entra"`
	// Map holds a CEL expression for each field of a snapshot. Nil means that
	// an item is a canonical snapshot already.
	Map map[string]string `mapstructure:"map"`

	// Sites are the employer's places by the name that the mapped site has.
	Sites       map[string]Site `mapstructure:"sites"`
	DefaultZone string          `mapstructure:"default_zone"` // if nothing else gives one

	// ContactGuard is how long before the hand-over a changed mail address or
	// phone number is held for approval; 0 holds none.
	ContactGuard time.Duration `mapstructure:"contact_guard"`
	Brake        Brake         `mapstructure:"brake"` // poll, file and entra
	// VanishedAfter is in how many full feeds in a row an employee must be
	// missing to count as cancelled. Until then they are held. 0: absence means
	// nothing.
	VanishedAfter int `mapstructure:"vanished_after"`
}

// Site is one of the employer's places.
type Site struct {
	Zone string `mapstructure:"zone"` // IANA name
}

// Brake stops a feed that would change too much at once.
type Brake struct {
	Share float64 `mapstructure:"share"` // of the known pre-hires, above 0 to 1
	Least int     `mapstructure:"least"` // fewer changes than this never brake
}

// VerifyKind names a way of proving where a request comes from.
type VerifyKind string

// The kinds.
const (
	VerifyHMAC             VerifyKind = "hmac"
	VerifyStandardWebhooks VerifyKind = "standard_webhooks"
	VerifyBearer           VerifyKind = "bearer"     // a static token
	VerifyBasic            VerifyKind = "basic"      // a static user and password
	VerifyJWT              VerifyKind = "jwt"        // OAuth 2.0 or OIDC
	VerifyURLSecret        VerifyKind = "url_secret" // POST /v1/intake/NAME/SECRET
)

// Verify says how a request proves where it comes from. Which keys belong to
// which kind, validation knows.
type Verify struct {
	Kind VerifyKind `mapstructure:"kind"`

	Algorithm string `mapstructure:"algorithm"` // hmac: sha256 | sha512
	Encoding  string `mapstructure:"encoding"`  // hmac: hex | base64
	// Message is what the HR system signs: {body}, {header:NAME},
	// {json:a.b.c} and literals. One without {body} proves no more than that
	// the sender knows the key: the request is a hint then, and fetch is needed.
	Message         string `mapstructure:"message"`
	SignatureHeader string `mapstructure:"signature_header"` // either this
	SignatureField  string `mapstructure:"signature_field"`  // or this, a.b.c in a JSON body
	SignaturePrefix string `mapstructure:"signature_prefix"` // before each signature: "sha256 ", "v1,", "v1="
	// SignatureList separates several values in the header: " " or ",". Those
	// without the prefix are passed over.
	SignatureList string `mapstructure:"signature_list"`
	// KeyEncoding says how key files spell the key: text (default), hex or
	// base64.
	KeyEncoding     string `mapstructure:"key_encoding"`
	TimestampHeader string `mapstructure:"timestamp_header"`
	TimestampField  string `mapstructure:"timestamp_field"`  // a.b.c in a JSON body
	TimestampPrefix string `mapstructure:"timestamp_prefix"` // "t=": an item of the signature header's list
	// Tolerance is how old, or how far ahead, a request's timestamp may be.
	Tolerance time.Duration `mapstructure:"tolerance"`
	KeyFiles  []string      `mapstructure:"key_files" file:"secret"` // any of them may sign

	User string `mapstructure:"user"` // basic

	Issuer   string            `mapstructure:"issuer"`   // jwt
	Audience string            `mapstructure:"audience"` // jwt
	Claims   map[string]string `mapstructure:"claims"`   // jwt: must have these values
	CAFile   string            `mapstructure:"ca_file" file:"public"`
}

// Handshake says how an HR system tries us before it sends anything real.
type Handshake struct {
	When string `mapstructure:"when"` // CEL over header and body; answered 200 and passed over
	// Unsigned handshakes come before there is a key to sign with.
	Unsigned bool `mapstructure:"unsigned"`
	// Show is a CEL expression for a value that the operator has to see, such as
	// the key itself: firstpass source handshake NAME.
	Show string `mapstructure:"show"`
	// Answer is a CEL expression for the text to answer with.
	Answer string `mapstructure:"answer"`
}

// Request is a call to an HR system.
type Request struct {
	URL     string            `mapstructure:"url"`     // CEL expression
	Method  string            `mapstructure:"method"`  // GET | POST
	Headers map[string]string `mapstructure:"headers"` // sent as they stand
	Body    string            `mapstructure:"body"`    // CEL expression; with POST
	Auth    Auth              `mapstructure:"auth"`
	// AllowHosts are the only hosts, with port unless it is the scheme's, that
	// may be called, whatever the expression gives.
	AllowHosts []string      `mapstructure:"allow_hosts"`
	CAFile     string        `mapstructure:"ca_file" file:"public"`
	PerSecond  int           `mapstructure:"per_second"` // calls, at most
	Timeout    time.Duration `mapstructure:"timeout"`
	MaxReply   Size          `mapstructure:"max_reply"` // larger replies are refused
}

// AuthKind names a way of proving to an HR system who we are.
type AuthKind string

// The kinds.
const (
	AuthNone   AuthKind = "none"
	AuthBasic  AuthKind = "basic"  // user and secret_file
	AuthBearer AuthKind = "bearer" // secret_file
	AuthHeader AuthKind = "header" // header and secret_file
	AuthOAuth2 AuthKind = "oauth2" // client credentials: token_url, user, secret_file, scope
)

// Auth is how we prove to an HR system who we are.
type Auth struct {
	Kind       AuthKind `mapstructure:"kind"`
	User       string   `mapstructure:"user"`   // or the client id
	Header     string   `mapstructure:"header"` // its name
	SecretFile string   `mapstructure:"secret_file" file:"secret"`
	TokenURL   string   `mapstructure:"token_url"`
	Scope      string   `mapstructure:"scope"`
	// A client certificate, with any kind.
	CertificateFile string `mapstructure:"certificate_file" file:"public"`
	KeyFile         string `mapstructure:"key_file" file:"secret"`
}

// Fetch asks the HR system for what a webhook left out.
type Fetch struct {
	Request Request `mapstructure:"request"`
	// When is a CEL expression over item; where it is false, fetched is null.
	When string `mapstructure:"when"`
}

// PageKind says how a reply of many pages is read.
type PageKind string

// The kinds.
const (
	PageNone     PageKind = "none"
	PageNextLink PageKind = "next_link" // the reply holds the next page's URL
	PageOffset   PageKind = "offset"    // the parameter counts items
	PageNumber   PageKind = "page"      // the parameter counts pages
	PageOData    PageKind = "odata_skip"
)

// Page says how a reply of many pages is read.
type Page struct {
	Kind          PageKind `mapstructure:"kind"`
	Next          string   `mapstructure:"next"`           // next_link: CEL over body; null or "" ends
	Parameter     string   `mapstructure:"parameter"`      // offset, page and odata_skip: its name
	SizeParameter string   `mapstructure:"size_parameter"` // its name; empty for none
	Size          int      `mapstructure:"size"`           // items of a page
	First         int      `mapstructure:"first"`          // offset or number of the first page
	Most          int      `mapstructure:"most"`           // pages; more are a fault
}

// Poll reads a REST interface on a schedule.
type Poll struct {
	Request Request       `mapstructure:"request"`
	Page    Page          `mapstructure:"page"`
	Every   time.Duration `mapstructure:"every"`
	// Full says that a read without since holds everybody, so that whoever is
	// missing from it has vanished.
	Full bool `mapstructure:"full"`
	// FullEvery is how often everything is read even though expressions use
	// since; 0: every poll is full.
	FullEvery time.Duration `mapstructure:"full_every"`
	// Overlap is how far behind the last good poll since lies.
	Overlap time.Duration `mapstructure:"overlap"`
}

// FileFormat is how a file is written.
type FileFormat string

// The formats.
const (
	FileCSV  FileFormat = "csv"
	FileJSON FileFormat = "json"
)

// File reads files from a folder on a schedule, oldest first, each once.
type File struct {
	Every     time.Duration `mapstructure:"every"`
	Directory string        `mapstructure:"directory"`
	SFTP      SFTP          `mapstructure:"sftp"`
	Pattern   string        `mapstructure:"pattern"` // as path.Match
	Format    FileFormat    `mapstructure:"format"`
	Delimiter string        `mapstructure:"delimiter"` // one character, or auto
	Encoding  string        `mapstructure:"encoding"`  // utf-8 | latin-1 | windows-1252
	Full      bool          `mapstructure:"full"`      // a file holds everybody
	MaxSize   Size          `mapstructure:"max_size"`
	// BadRow is one of the BadRow… words: refuse applies nothing of a file that has one; quarantine keeps
	// the row and applies the others.
	BadRow string `mapstructure:"bad_row"`
	// After says what becomes of a file that was taken: keep, delete or archive.
	After   string `mapstructure:"after"`
	Archive string `mapstructure:"archive"` // folder, with after: archive
}

// What becomes of a file with a bad row.
const (
	BadRowRefuse     = "refuse"
	BadRowQuarantine = "quarantine"
)

// What becomes of a file that was taken.
const (
	AfterKeep    = "keep"
	AfterDelete  = "delete"
	AfterArchive = "archive"
)

// SFTP is the server whose folder is read; none if Address is empty.
type SFTP struct {
	Address      string `mapstructure:"address"` // host:port
	User         string `mapstructure:"user"`
	KeyFile      string `mapstructure:"key_file" file:"secret"` // OpenSSH private key
	PasswordFile string `mapstructure:"password_file" file:"secret"`
	HostKeyFile  string `mapstructure:"host_key_file" file:"public"` // known_hosts form
}

// Entra reads the tenant's users by employeeHireDate on a schedule.
type Entra struct {
	Every  time.Duration `mapstructure:"every"`
	Ahead  time.Duration `mapstructure:"ahead"`  // hires up to so far ahead
	Behind time.Duration `mapstructure:"behind"` // and so far behind
}
