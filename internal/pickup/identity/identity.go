package identity

import (
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"firstpass.internal/internal/jml"
	"firstpass.internal/internal/outbound"
)

// Config says which proofs there are.
type Config struct {
	// Proofs by name. Those of kinds manager and desk are ignored: they are not
	// checked here.
	Proofs map[string]Proof
	// ReturnURL is where providers send visitors back: https://host/path. It
	// is registered with every provider. Required if there is a proof of kind
	// oidc.
	ReturnURL string
	Now       func() time.Time // default time.Now
}

// Proof is one way for visitors to show who they are.
type Proof struct {
	Kind jml.ProofKind

	// Ask lists the facts of kind fact: FactBirthDate, FactEmployeeID. All must
	// be right.
	Ask []string

	// Issuer is the provider's, as it writes it itself, letter for letter.
	Issuer       string
	ClientID     string
	ClientSecret string
	Scopes       []string // openid is added if it is missing
	// ACRValues are asked for, in order of preference. One of them must be in
	// the ID token. Empty: any level will do.
	ACRValues []string
	// Match is the rule (see the package's documentation).
	Match string
	// Subject is a CEL expression over claims that gives the identifier of the
	// person; default claims.sub.
	Subject string
	// CAFile holds certificate authorities in PEM to trust beside the system's.
	CAFile string
	// UserInfo adds the claims of the userinfo endpoint. The ID token's win.
	UserInfo bool
}

// Errors of Begin, Finish and Origin. Their texts name the proof and the check,
// and quote nothing of the provider's but a known error code.
var (
	// ErrUnavailable means that the provider can't be reached or does not work:
	// trying again later may help.
	ErrUnavailable = errors.New("the identity provider is not available")
	// ErrRefused means that an answer is not this flow's, or is not to be
	// trusted. Starting over may help; if it does not, the configuration is
	// wrong, or somebody is trying something.
	ErrRefused = errors.New("the identity provider's answer was refused")
	// ErrUnknown means that there is no such proof.
	ErrUnknown = errors.New("no such proof")
)

// Verifier checks facts and OpenID Connect sign-ins. It may be used by many
// goroutines.
type Verifier struct {
	facts     map[string][]string
	providers map[string]*provider
}

// New checks the configuration and compiles the rules. It reads CA files and
// does nothing on the network: a provider that is down keeps nobody from
// starting. It reports everything that is wrong at once, by the paths of keys.
func New(cfg Config) (*Verifier, error) {
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	v := &Verifier{facts: map[string][]string{}, providers: map[string]*provider{}}
	rules, err := newRules()
	if err != nil {
		return nil, err
	}
	var errs []error
	for _, name := range slices.Sorted(maps.Keys(cfg.Proofs)) {
		switch p := cfg.Proofs[name]; p.Kind {
		case jml.ProofFact:
			if err := checkAsk(p.Ask); err != nil {
				errs = append(errs, fmt.Errorf("proofs.%s.ask: %w", name, err))
			}
			v.facts[name] = p.Ask
		case jml.ProofOIDC:
			one, bad := newProvider(name, p, cfg, rules)
			errs = append(errs, bad...)
			v.providers[name] = one
		}
	}
	if len(v.providers) > 0 {
		if err := absolute(cfg.ReturnURL); err != nil {
			errs = append(errs, fmt.Errorf("return URL: %w", err))
		}
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	return v, nil
}

func newProvider(name string, p Proof, cfg Config, rules *rules) (*provider, []error) {
	var errs []error
	bad := func(key string, err error) { errs = append(errs, fmt.Errorf("proofs.%s.%s: %w", name, key, err)) }
	one := &provider{name: name, cfg: p, returnURL: cfg.ReturnURL, now: cfg.Now, busy: make(chan struct{}, 1)}
	if err := absolute(p.Issuer); err != nil {
		bad("issuer", err)
	}
	if p.ClientID == "" {
		bad("client_id", errors.New("missing"))
	}
	if p.ClientSecret == "" {
		bad("client_secret_file", errors.New("missing, or the file is empty"))
	}
	one.scopes = p.Scopes
	if !slices.Contains(p.Scopes, "openid") {
		one.scopes = append([]string{"openid"}, p.Scopes...)
	}
	for i, acr := range p.ACRValues {
		if acr == "" || strings.ContainsAny(acr, " \t\r\n") {
			bad(fmt.Sprintf("acr_values[%d]", i), errors.New("empty, or has a blank: give one value an entry"))
		}
	}
	var err error
	if one.match, err = rules.match(p.Match); err != nil {
		bad("match", err)
	}
	if p.Subject == "" {
		p.Subject = "claims.sub"
	}
	if one.subject, err = rules.subject(p.Subject); err != nil {
		bad("subject", err)
	}
	transport, err := outbound.Transport(p.CAFile)
	if err != nil {
		bad("ca_file", err)
		return one, errs
	}
	one.client = outbound.Client(bounded{transport}, callLimit)
	return one, errs
}

// Ready reports whether a proof can be given at all for e. The error names the
// fields that HR left empty; without them every visitor would be wrong. It is
// for operators: the page says that this can't be checked, and whom to call.
func (v *Verifier) Ready(name string, e jml.Snapshot) error {
	var missing []string
	if ask, ok := v.facts[name]; ok {
		for _, fact := range ask {
			if fact == FactBirthDate && e.BirthDate.IsZero() || fact == FactEmployeeID && plainID(e.EmployeeID) == "" {
				missing = append(missing, fact)
			}
		}
	} else if p, ok := v.providers[name]; ok {
		has := employee(e)
		for _, field := range p.match.needs {
			if has[field] == "" {
				missing = append(missing, field)
			}
		}
	} else {
		return unknown(name)
	}
	if len(missing) > 0 {
		return fmt.Errorf("proofs.%s can't be checked: HR gave no %s", name, strings.Join(missing, ", "))
	}
	return nil
}

func unknown(name string) error { return fmt.Errorf("proofs.%s: %w", name, ErrUnknown) }

// employee is what rules see of a snapshot. What HR left empty is missing, so
// that two empty fields never agree.
func employee(e jml.Snapshot) map[string]string {
	out := map[string]string{
		"employee_id":   e.EmployeeID,
		"given_name":    e.GivenName,
		"family_name":   e.FamilyName,
		"upn":           e.UPN,
		"personal_mail": e.PersonalMail,
		"phone":         e.Phone,
		"country":       e.Country,
	}
	if !e.BirthDate.IsZero() {
		out["birth_date"] = e.BirthDate.String()
	}
	maps.DeleteFunc(out, func(_, value string) bool { return strings.TrimSpace(value) == "" })
	return out
}

// employeeFields are all that employee may have; telling are those that tell
// namesakes apart.
func employeeFields() []string {
	return append(telling(), "given_name", "family_name", "country")
}

func telling() []string {
	return []string{"employee_id", "birth_date", "upn", "personal_mail", "phone"}
}

// bounded stops a reply that does not end. A discovery document, a key set and a
// token are some kilobytes each; one that is cut off is not JSON any more.
type bounded struct{ next http.RoundTripper }

func (b bounded) RoundTrip(r *http.Request) (*http.Response, error) {
	resp, err := b.next.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	resp.Body = http.MaxBytesReader(nil, resp.Body, maxReply)
	return resp, nil
}
