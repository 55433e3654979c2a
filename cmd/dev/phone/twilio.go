package phone

import (
	"crypto/rand"
	"crypto/subtle"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"time"
	"unicode/utf8"

	"firstpass.internal/cmd/dev/fault"
)

// The Twilio side: what Firstpass uses of the API of 2010-04-01, with replies of
// the real shape.
//
// Source: www.twilio.com/docs/messaging/api/message-resource,
// www.twilio.com/docs/usage/twilios-response, www.twilio.com/docs/api/errors

const apiVersion = "2010-04-01"

// bodyLimit is Twilio's, in characters.
const bodyLimit = 1600

// Twilio's codes in error answers.
const (
	codeParameter    = 20001 // here also: a parameter that Twilio does not know
	codeAuthenticate = 20003
	codeNotFound     = 20404
	codeTooMany      = 20429
	codeInternal     = 20500
	codeBadTo        = 21211
	codeBadFrom      = 21212
	codeNoBody       = 21602
	codeNoFrom       = 21603
	codeNoTo         = 21604
	codeBadCallback  = 21609
	codeTooLong      = 21617
	codeNoService    = 21701
)

// problem is Twilio's error answer.
type problem struct {
	Code     int    `json:"code"`
	Message  string `json:"message"`
	MoreInfo string `json:"more_info"`
	Status   int    `json:"status"`
}

func refuse(w http.ResponseWriter, status, code int, message string) {
	reply(w, status, problem{code, message, "https://www.twilio.com/docs/errors/" + strconv.Itoa(code), status})
}

func reply(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v) // the client may be gone
}

func (p *Phones) apiHandler() http.Handler {
	account := "/" + apiVersion + "/Accounts/" + p.cfg.AccountSID
	mux := http.NewServeMux()
	mux.HandleFunc("GET "+account+".json", p.account)
	mux.HandleFunc("POST "+account+"/Messages.json", p.send)
	mux.HandleFunc("GET "+account+"/Messages/{file}", p.message)
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		refuse(w, http.StatusNotFound, codeNotFound, "The requested resource "+r.URL.Path+" was not found")
	})
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		sid, token, _ := r.BasicAuth()
		right := subtle.ConstantTimeCompare([]byte(sid), []byte(p.cfg.AccountSID)) &
			subtle.ConstantTimeCompare([]byte(token), []byte(p.cfg.AuthToken))
		if right != 1 {
			w.Header().Set("WWW-Authenticate", `Basic realm="Twilio API"`)
			refuse(w, http.StatusUnauthorized, codeAuthenticate, "Authenticate")
			return
		}
		mux.ServeHTTP(w, r)
	})
}

func (p *Phones) account(w http.ResponseWriter, _ *http.Request) {
	trouble := p.faults.Take(true)
	if trouble.Strike(false) {
		panic(http.ErrAbortHandler) // closes the connection, no byte is sent
	}
	if trouble.Answers(false) {
		answerFault(w, trouble.Fault)
		return
	}
	reply(w, http.StatusOK, map[string]string{
		"sid": p.cfg.AccountSID, "friendly_name": "Development world", "status": "active", "type": "Full",
		"owner_account_sid": p.cfg.AccountSID, "uri": "/" + apiVersion + "/Accounts/" + p.cfg.AccountSID + ".json",
	})
}

func (p *Phones) message(w http.ResponseWriter, r *http.Request) {
	sid := regexp.MustCompile(`^(SM[0-9a-f]{32})\.json$`).FindStringSubmatch(r.PathValue("file"))
	if sid != nil {
		if t, ok := p.texts.Find(is(sid[1])); ok {
			reply(w, http.StatusOK, p.resource(t))
			return
		}
	}
	refuse(w, http.StatusNotFound, codeNotFound, "The requested resource "+r.URL.Path+" was not found")
}

func (p *Phones) send(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, 64<<10)
	if err := r.ParseForm(); err != nil {
		refuse(w, http.StatusBadRequest, codeParameter, "the body is not the form that was expected")
		return
	}
	t, no := p.read(r.PostForm)
	if no != nil {
		refuse(w, no.Status, no.Code, no.Message)
		return
	}
	trouble := p.faults.Take(false, t.To)
	if trouble.Strike(false) {
		panic(http.ErrAbortHandler)
	}
	if trouble.Answers(false) {
		answerFault(w, trouble.Fault)
		return
	}
	becomes := trouble.Events(StatusQueued, StatusSent, StatusDelivered)
	code := failureCode(trouble)
	t.Lost = lost(becomes)
	if err := p.texts.Add(t); err != nil {
		refuse(w, http.StatusInternalServerError, codeInternal, "the phone can't be written: "+err.Error())
		return
	}
	p.tell(t, becomes, code)
	if trouble.Strike(true) {
		panic(http.ErrAbortHandler)
	}
	if trouble.Answers(true) {
		answerFault(w, trouble.Fault)
		return
	}
	reply(w, http.StatusCreated, p.resource(t))
}

// read returns the text that a form asks for, or what Twilio would say against
// it. Twilio passes over names it does not know; here they are a mistake.
func (p *Phones) read(form url.Values) (Text, *problem) {
	bad := func(code int, format string, args ...any) (Text, *problem) {
		return Text{}, &problem{Code: code, Message: fmt.Sprintf(format, args...), Status: http.StatusBadRequest}
	}
	known := []string{"To", "From", "MessagingServiceSid", "Body", "StatusCallback", "ValidityPeriod", "SmartEncoded",
		"ProvideFeedback", "Attempt", "ContentRetention", "AddressRetention", "RiskCheck"}
	for name, values := range form {
		if !slices.Contains(known, name) || len(values) > 1 {
			return bad(codeParameter, "the parameter %s is unknown, or given twice", name)
		}
	}
	t := Text{
		SID: newSID(), Received: time.Now().UTC(), To: form.Get("To"), From: form.Get("From"),
		Service: form.Get("MessagingServiceSid"), Body: form.Get("Body"), Callback: form.Get("StatusCallback"),
	}
	number := regexp.MustCompile(`^\+[1-9][0-9]{6,14}$`)
	sender := regexp.MustCompile(`^(\+[1-9][0-9]{6,14}|[0-9]{3,6}|[0-9 ]*[A-Za-z][A-Za-z0-9 ]{0,10})$`)
	switch {
	case t.To == "":
		return bad(codeNoTo, "A 'To' phone number is required.")
	case !number.MatchString(t.To) || t.To == t.From:
		return bad(codeBadTo, "Invalid 'To' Phone Number: %sXXXX", t.To[:min(4, len(t.To))])
	case t.From == "" && t.Service == "":
		return bad(codeNoFrom, "A 'From' phone number is required.")
	case t.From != "" && (!sender.MatchString(t.From) || len(t.From) > 16):
		return bad(codeBadFrom, "Invalid From Number (caller ID)")
	case t.Service != "" && t.Service != p.cfg.Service:
		return bad(codeNoService, "The Messaging Service does not exist")
	case t.Body == "":
		return bad(codeNoBody, "Message body is required.")
	case utf8.RuneCountInString(t.Body) > bodyLimit:
		return bad(codeTooLong, "The concatenated message body exceeds the 1600 character limit.")
	}
	if u, err := url.Parse(t.Callback); t.Callback != "" && (err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https") {
		return bad(codeBadCallback, "The 'StatusCallback' URL is not a valid URL.")
	}
	t.Segments, t.Unicode = segments(t.Body)
	t.Status = StatusQueued
	if t.Service != "" {
		t.Status = StatusAccepted // the service has yet to choose a sender
	}
	return t, nil
}

// resource is a message as the API shows it.
func (p *Phones) resource(t Text) map[string]any {
	at := t.Received.Format(time.RFC1123Z)
	uri := "/" + apiVersion + "/Accounts/" + p.cfg.AccountSID + "/Messages/" + t.SID
	m := map[string]any{
		"account_sid": p.cfg.AccountSID, "api_version": apiVersion, "body": t.Body, "direction": "outbound-api",
		"date_created": at, "date_sent": nil, "date_updated": at, "error_code": nil, "error_message": nil,
		"from": nil, "messaging_service_sid": nil, "num_media": "0", "num_segments": strconv.Itoa(t.Segments),
		"price": nil, "price_unit": nil, "sid": t.SID, "status": t.Status, "to": t.To, "uri": uri + ".json",
		"subresource_uris": map[string]string{"media": uri + "/Media.json"},
	}
	if t.From != "" {
		m["from"] = t.From
	}
	if t.Service != "" {
		m["messaging_service_sid"] = t.Service
	}
	if t.Code != 0 {
		m["error_code"] = t.Code
	}
	return m
}

// answerFault refuses with the code that was asked for, or with the usual one
// of the status.
func answerFault(w http.ResponseWriter, f fault.Fault) {
	code := f.Code
	if code == 0 {
		code = codeInternal
		if f.Status == http.StatusTooManyRequests {
			code = codeTooMany
		}
	}
	if f.Reset > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(int(f.Reset.Seconds())))
	}
	refuse(w, f.Status, code, "a fault that was asked for")
}

func newSID() string {
	var raw [16]byte
	_, _ = rand.Read(raw[:]) // never fails since Go 1.24
	return "SM" + hex.EncodeToString(raw[:])
}
