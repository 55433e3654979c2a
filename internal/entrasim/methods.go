package entrasim

import (
	"fmt"
	"slices"
	"time"
)

// MethodKind is an @odata.type without "#microsoft.graph." and
// "AuthenticationMethod". Kinds not named here are rendered with the common
// properties only, as a type newer than the client would be.
type MethodKind string

const (
	KindPassword      MethodKind = "password"
	KindFIDO2         MethodKind = "fido2"
	KindWindowsHello  MethodKind = "windowsHelloForBusiness"
	KindAuthenticator MethodKind = "microsoftAuthenticator"
	KindPlatform      MethodKind = "platformCredential"
	KindPhone         MethodKind = "phone"
	KindSoftwareOath  MethodKind = "softwareOath"
	KindEmail         MethodKind = "email"
	KindExternal      MethodKind = "external"
	KindQRCodePin     MethodKind = "qrCodePin"
)

// passwordMethodID is the id that every user's password method has in every
// tenant.
const passwordMethodID = "28c10230-6103-485e-b985-444c60001490"

// Method is a registered sign-in method other than a pass. Which fields are
// shown depends on Kind.
//
// Source: learn.microsoft.com/graph/api/resources/authenticationmethods-overview
type Method struct {
	ID          string     `json:"id,omitempty"`
	Kind        MethodKind `json:"kind"`
	DisplayName string     `json:"displayName,omitempty"`
	AAGUID      string     `json:"aaguid,omitempty"`      // fido2
	Model       string     `json:"model,omitempty"`       // fido2
	Synced      bool       `json:"synced,omitempty"`      // fido2: a synced passkey, else device-bound
	PhoneNumber string     `json:"phoneNumber,omitempty"` // phone
	Email       string     `json:"emailAddress,omitempty"`
	// Created is createdDateTime. AddMethod keeps nil, which is answered null,
	// as for methods older than the property; Register fills it in.
	Created *time.Time `json:"createdDateTime,omitempty"`
	// Default marks the second factor that the user is asked for first. It
	// shows in no read of v1.0.
	Default bool `json:"default,omitempty"`
}

// methodRecord is a method and when it came and went: lists may lag behind
// both.
type methodRecord struct {
	Method
	Added   time.Time `json:"addedAt,omitzero"`
	Deleted time.Time `json:"deletedAt,omitzero"`
}

// deletable are the paths at which a single method can be read and deleted, with
// the kind that stands there and the middle of the permissions that open it.
//
// Source: learn.microsoft.com/graph/api/resources/authenticationmethods-overview
// and the delete page of each kind
func deletable() []struct {
	path, permission string
	kind             MethodKind
} {
	return []struct {
		path, permission string
		kind             MethodKind
	}{
		{"fido2Methods", "UserAuthMethod-Passkey", KindFIDO2},
		{"windowsHelloForBusinessMethods", "UserAuthMethod-WindowsHello", KindWindowsHello},
		{"platformCredentialMethods", "UserAuthMethod-PlatformCred", KindPlatform},
		{"microsoftAuthenticatorMethods", "UserAuthMethod-MicrosoftAuthApp", KindAuthenticator},
		{"phoneMethods", "UserAuthMethod-Phone", KindPhone},
		{"softwareOathMethods", "UserAuthMethod-SoftwareOATH", KindSoftwareOath},
	}
}

func (m Method) render(nullCreated bool) object {
	o := object{"@odata.type": "#microsoft.graph." + string(m.Kind) + "AuthenticationMethod", "id": m.ID, "createdDateTime": timeOrNull(m.Created)}
	if nullCreated {
		o["createdDateTime"] = nil
	}
	switch m.Kind {
	case KindPassword:
		o["password"] = nil
	case KindFIDO2:
		o["aaGuid"], o["model"], o["displayName"] = orNull(m.AAGUID), orNull(m.Model), orNull(m.DisplayName)
		o["attestationLevel"], o["attestationCertificates"] = "attested", []string{}
		o["passkeyType"] = "deviceBound"
		if m.Synced {
			o["passkeyType"], o["attestationLevel"] = "synced", "notAttested"
		}
	case KindWindowsHello:
		o["displayName"], o["keyStrength"] = orNull(m.DisplayName), "normal"
	case KindPlatform:
		o["displayName"], o["keyStrength"], o["platform"] = orNull(m.DisplayName), "normal", "macOS"
	case KindAuthenticator:
		o["displayName"], o["deviceTag"], o["phoneAppVersion"] = orNull(m.DisplayName), "SoftwareTokenActivated", "6.2509.0"
	case KindPhone:
		o["phoneNumber"], o["phoneType"], o["smsSignInState"] = orNull(m.PhoneNumber), "mobile", "notConfigured"
	case KindSoftwareOath:
		o["secretKey"] = nil
	case KindEmail:
		o["emailAddress"] = orNull(m.Email)
	case KindExternal:
		o["displayName"], o["configurationId"] = orNull(m.DisplayName), m.ID
	}
	return o
}

// AddMethod registers a method without any sign-in, as one the user has had
// before the story begins. It shows at once.
func (t *Tenant) AddMethod(userID string, m Method) (Method, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	m, err := t.addMethod(userID, m, time.Time{})
	if err != nil {
		return Method{}, err
	}
	return m, t.commit()
}

func (t *Tenant) addMethod(userID string, m Method, now time.Time) (Method, error) {
	if t.st.user(userID) == nil {
		return Method{}, fmt.Errorf("entrasim: no user %s", userID)
	}
	if m.Kind == "" || m.Kind == KindPassword || m.Kind == "temporaryAccessPass" {
		return Method{}, fmt.Errorf("entrasim: a method of kind %q cannot be added", m.Kind)
	}
	if m.ID == "" {
		m.ID = t.newID("method")
	}
	if m.Kind == KindFIDO2 && m.AAGUID == "" {
		m.AAGUID = t.newID("aaguid")
	}
	t.st.Methods[userID] = append(t.st.Methods[userID], &methodRecord{Method: m, Added: now})
	return m, nil
}

// RemoveMethod takes a registered method away, as the user himself does on his
// security info page. No list shows it any more.
func (t *Tenant) RemoveMethod(userID, methodID string) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	ms := t.st.Methods[userID]
	i := slices.IndexFunc(ms, func(m *methodRecord) bool { return m.ID == methodID && m.Deleted.IsZero() })
	if i < 0 {
		return fmt.Errorf("entrasim: user %s has no method %s", userID, methodID)
	}
	t.st.Methods[userID] = slices.Delete(slices.Clone(ms), i, i+1)
	return t.commit()
}

// Methods returns what is registered, without password and passes. Unlike the
// Graph reads it does not lag.
func (t *Tenant) Methods(userID string) []Method {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.st.registered(userID)
}

func (st *state) registered(userID string) []Method {
	out := []Method{}
	for _, m := range st.Methods[userID] {
		if m.Deleted.IsZero() {
			out = append(out, m.Method)
		}
	}
	return out
}

// listed returns the methods that a read would find.
func (st *state) listed(userID string, now time.Time) []*methodRecord {
	var out []*methodRecord
	for _, m := range st.Methods[userID] {
		young := !m.Added.IsZero() && now.Before(m.Added.Add(st.Behaviour.MethodCreateLag))
		gone := !m.Deleted.IsZero() && !now.Before(m.Deleted.Add(st.Behaviour.MethodDeleteLag))
		if !young && !gone {
			out = append(out, m)
		}
	}
	return out
}

// MethodDeletion is a method that was deleted through Graph.
type MethodDeletion struct {
	Time     time.Time  `json:"time"`
	UserID   string     `json:"userId"`
	MethodID string     `json:"methodId"`
	Kind     MethodKind `json:"kind"`
}

// MethodDeletions returns what was deleted through Graph, oldest first for each
// user; users in order of arrival.
func (t *Tenant) MethodDeletions() []MethodDeletion {
	t.mu.Lock()
	defer t.mu.Unlock()
	out := []MethodDeletion{}
	for _, u := range t.st.Users {
		from := len(out)
		for _, m := range t.st.Methods[u.ID] {
			if !m.Deleted.IsZero() {
				out = append(out, MethodDeletion{Time: m.Deleted, UserID: u.ID, MethodID: m.ID, Kind: m.Kind})
			}
		}
		slices.SortStableFunc(out[from:], func(a, b MethodDeletion) int { return a.Time.Compare(b.Time) })
	}
	return out
}
