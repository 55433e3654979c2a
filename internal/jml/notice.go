package jml

import "time"

// Notice is everything the message to the person says, but for the passcode.
// It is personal data.
type Notice struct {
	Channel    string       `json:"channel"`   // configured channel to send by
	Recipient  string       `json:"recipient"` // address
	GivenName  string       `json:"given_name,omitempty"`
	Locale     string       `json:"locale,omitempty"`
	SignInName string       `json:"sign_in_name"` // the UPN
	Zone       string       `json:"zone"`         // IANA name; times are told in it
	From       time.Time    `json:"from"`         // usable from
	Until      time.Time    `json:"until"`        // expires
	OneTime    bool         `json:"one_time"`
	Register   []MethodKind `json:"register"` // any of these
	Replaces   bool         `json:"replaces"` // an earlier message may carry a pass that no longer works
	Reference  string       `json:"reference"`
}

// Receipt is a channel's word that it accepted a message: not that anybody got
// it.
type Receipt struct {
	MessageID string `json:"message_id,omitempty"` // the provider's
}
