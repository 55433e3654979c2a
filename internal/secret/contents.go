package secret

// Contents is what a message carries that nobody but its addressee may read.
// Every field may be empty; the kind of message decides which are set.
type Contents struct {
	// Passcode is the whole passcode, or one half of it. Only modes that send
	// it set it; in pick-up mode no message ever does.
	Passcode Passcode
	// Link is a whole URL, with its token in the fragment.
	Link Passcode
	// PickupReference is the link's token in a form that can be typed.
	PickupReference Passcode
	// Code is the code that goes with a link by another channel.
	Code Passcode
}

// Halves cuts a passcode in two, for two channels. Each half alone leaves the
// other to be guessed: half of the 8 to 48 characters a tenant's policy sets.
func (p Passcode) Halves() (first, second Passcode) {
	runes := []rune(p.Reveal())
	middle := (len(runes) + 1) / 2
	return NewPasscode(string(runes[:middle])), NewPasscode(string(runes[middle:]))
}
