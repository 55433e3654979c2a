package delivery

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"strings"
	"time"

	"firstpass.internal/internal/delivery/channel"
)

// Config says in whose name messages go out, how they are worded, and by which
// channels they go.
type Config struct {
	Organisation Organisation
	// Locale is the BCP 47 tag for whoever has none that there are templates in;
	// default en.
	Locale string
	// Overlay holds templates of yours, nil for none: <locale>/<message>.md, and
	// <locale>/locale.yaml for a locale that is not shipped, and layout.html. A
	// <locale>/page.yaml is passed over: it is for the pick-up page.
	Overlay fs.FS
	// PickupURL is the root of the pick-up page; empty if there is none.
	PickupURL string
	Channels  map[string]channel.Channel // by the name that profiles use
	// Direct names the channels whose messages reach the employee, whomever a
	// route sends them to: a desk carries a letter that is addressed to him.
	Direct []string
	Now    func() time.Time // default time.Now
}

// Organisation is what a message says of the sender.
type Organisation struct {
	Name string
	// SignInURL is where the person registers a method; default
	// https://mysignins.microsoft.com/security-info.
	SignInURL string
	// Help says whom to ask, in one sentence; empty: the person's contact.
	Help string
}

const defaultSignInURL = "https://mysignins.microsoft.com/security-info"

func (c Config) withDefaults() Config {
	c.Organisation.SignInURL = cmp.Or(c.Organisation.SignInURL, defaultSignInURL)
	c.Organisation.Name = strings.TrimSpace(c.Organisation.Name)
	c.Organisation.Help = strings.TrimSpace(c.Organisation.Help)
	c.PickupURL = strings.TrimSuffix(c.PickupURL, "/")
	if c.Now == nil {
		c.Now = time.Now
	}
	return c
}

// check reports everything that is wrong at once.
func (c Config) check() error {
	var errs []error
	bad := func(field, what string) { errs = append(errs, fmt.Errorf("delivery: %s: %s", field, what)) }
	if c.Organisation.Name == "" || !oneLine(c.Organisation.Name) {
		bad("organisation name", "missing, or not one line of text")
	}
	if !oneLine(c.Organisation.Help) {
		bad("organisation help", "not one line of text")
	}
	if u, err := url.Parse(c.Organisation.SignInURL); err != nil || u.Scheme != "https" || u.Host == "" || u.User != nil {
		bad("organisation sign-in URL", "not an https URL")
	}
	if c.PickupURL != "" && !webAddress(c.PickupURL) {
		bad("pick-up URL", "not an http or https URL")
	}
	for name, ch := range c.Channels {
		if name == "" || !oneLine(name) || ch == nil {
			bad("channels", "one without a name, or with nothing behind it")
		}
	}
	for _, name := range c.Direct {
		if _, ok := c.Channels[name]; !ok {
			bad("direct", "names a channel that there is not")
		}
	}
	return errors.Join(errs...)
}
