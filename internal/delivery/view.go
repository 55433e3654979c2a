package delivery

import (
	"reflect"
	"slices"
	"time"

	"firstpass.internal/internal/jml"
	"firstpass.internal/internal/locale"
	"firstpass.internal/internal/secret"
)

// view is all that templates may use. Texts may be empty unless it says
// otherwise; moments are told in the notice's zone, Brief ones for text
// messages.
type view struct {
	Organisation string // never empty
	Help         string // whom to ask, a sentence
	SignInURL    string // makes a link; never empty
	Page         string // makes a link: where the link's reference is typed

	Locale string // of the template; never empty

	HandOn     bool   // it speaks to who gets it in the employee's place: to hand on, or to ask the employee
	Technician bool   // it speaks to who sets up Device with it in the employee's name; HandOn is true too
	Addressee  string // given name of whom the message speaks to
	GivenName  string // the employee's
	FamilyName string // the employee's
	Employee   string // the employee's whole name
	Site       string // the employee's
	SignInName string // the employee's

	From, FromBrief               string
	Until, UntilBrief             string
	Start, StartBrief             string
	CollectedAt, CollectedAtBrief string

	Journey   string // mover, recovery or staging; empty: somebody starts
	Device    string // staging: what is set up
	Requester string // approval: who asks
	Methods   string // any of these will do, "a or b", and how many; never empty
	Reference string // of the journey
	Reason    string // a jml.BlockReason
	Half      int    // 1 or 2; 0 for the whole
	OneTime   bool
	Replaces  bool
	Collected bool // a pass is out already
	Expired   bool // unfinished: the pass has expired; else it is used up
	Started   bool // the start has come

	// Microsoft's words on the sign-in page; never empty.
	Pass, EnterPass, UsePass, OtherWays string

	// Secrets. In a body each stands in a paragraph of its own.
	Passcode, Link, PickupReference, Code string
}

// viewOf says what a template may use for n.
func viewOf(n jml.Notice, c secret.Contents, o Organisation, page string, l locale.Locale, zone *time.Location, now time.Time) view {
	words := l.SignInPage()
	v := view{
		Organisation: o.Name, Help: o.Help, SignInURL: markSignIn, Locale: l.Tag,
		Addressee: plainName(n.Addressee), GivenName: plainName(n.GivenName), FamilyName: plainName(n.FamilyName),
		Site: plainName(n.Site), SignInName: n.SignInName, Device: plainName(n.Device), Requester: plainName(n.Requester),
		Methods: l.Several(n.Register, n.Devices), Reference: n.Reference,
		Half: n.Half, OneTime: n.OneTime, Replaces: n.Replaces, Collected: n.Collected, Expired: n.Expired,
		Started: !n.Start.IsZero() && !now.Before(n.Start),
		Pass:    words.Pass, EnterPass: words.EnterPass, UsePass: words.UsePass, OtherWays: words.OtherWays,
	}
	v.Employee = plainName(v.GivenName + " " + v.FamilyName)
	if page != "" {
		v.Page = markPage
	}
	if n.Journey != jml.KindJoiner && slices.Contains(jml.Kinds(), n.Journey) {
		v.Journey = string(n.Journey)
	}
	if slices.Contains(jml.Reasons(), n.Reason) {
		v.Reason = string(n.Reason)
	}
	tell := func(t time.Time) (string, string) {
		if t.IsZero() {
			return "", ""
		}
		return l.Moment(t, zone), l.Brief(t, zone)
	}
	// Told in minutes, and never wider than the truth: who comes at the first
	// minute named must not be too early.
	v.From, v.FromBrief = tell(ceilMinute(n.From))
	v.Until, v.UntilBrief = tell(n.Until.Truncate(time.Minute))
	if !n.Journey.Asked() { // the others have no first day
		v.Start, v.StartBrief = tell(n.Start)
	}
	v.CollectedAt, v.CollectedAtBrief = tell(n.CollectedAt)
	v.mark(c)
	return v
}

// mark puts marks where c has secrets.
func (v *view) mark(c secret.Contents) {
	v.Passcode, v.Link, v.PickupReference, v.Code = "", "", "", ""
	if !c.Passcode.Empty() {
		v.Passcode = markPasscode
	}
	if !c.Link.Empty() {
		v.Link = markLink
	}
	if !c.PickupReference.Empty() {
		v.PickupReference = markReference
	}
	if !c.Code.Empty() {
		v.Code = markCode
	}
}

func ceilMinute(t time.Time) time.Time {
	if t.IsZero() {
		return t
	}
	return t.Add(time.Minute - 1).Truncate(time.Minute)
}

// escaped returns v with every text of it escaped for Markdown. Marks have
// nothing to escape.
func (v view) escaped() view {
	fields := reflect.ValueOf(&v).Elem()
	for i := range fields.NumField() {
		if f := fields.Field(i); f.Kind() == reflect.String {
			f.SetString(escape(f.String()))
		}
	}
	return v
}
