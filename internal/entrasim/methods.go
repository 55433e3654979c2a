package entrasim

import (
	"fmt"
	"net/http"
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

// listMethods answers password, pass and whatever is registered.
//
// Source: learn.microsoft.com/graph/api/authentication-list-methods
func (t *Tenant) listMethods(c *call) reply {
	u, refused := t.authUser(c)
	if u == nil {
		return refused
	}
	null := t.st.Behaviour.NullMethodCreated
	value := []any{Method{ID: passwordMethodID, Kind: KindPassword, Created: &u.Created}.render(null)}
	for _, m := range t.st.Methods[u.ID] {
		value = append(value, m.render(null))
	}
	for _, p := range t.st.shown(u.ID, c.now) {
		o := t.st.renderPass(p, u, c.now)
		o["@odata.type"] = passType
		value = append(value, o)
	}
	return reply{status: http.StatusOK, body: object{
		"@odata.context": c.context("users('" + u.ID + "')/authentication/methods"), "value": value}}
}

// AddMethod registers a method without any sign-in, as one the user has had
// before the story begins.
func (t *Tenant) AddMethod(userID string, m Method) (Method, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	m, err := t.addMethod(userID, m)
	if err != nil {
		return Method{}, err
	}
	return m, t.commit()
}

func (t *Tenant) addMethod(userID string, m Method) (Method, error) {
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
	t.st.Methods[userID] = append(t.st.Methods[userID], m)
	return m, nil
}

// RemoveMethod takes a registered method away, as a lost phone does.
func (t *Tenant) RemoveMethod(userID, methodID string) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	ms := t.st.Methods[userID]
	i := slices.IndexFunc(ms, func(m Method) bool { return m.ID == methodID })
	if i < 0 {
		return fmt.Errorf("entrasim: user %s has no method %s", userID, methodID)
	}
	t.st.Methods[userID] = slices.Delete(slices.Clone(ms), i, i+1)
	return t.commit()
}

// Methods returns what is registered, without password and passes.
func (t *Tenant) Methods(userID string) []Method {
	t.mu.Lock()
	defer t.mu.Unlock()
	return orEmpty(slices.Clone(t.st.Methods[userID]))
}
