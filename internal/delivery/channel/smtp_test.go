package channel

import (
	"bufio"
	"context"
	"crypto/hmac"
	"crypto/pbkdf2"
	"crypto/sha256"
	"crypto/tls"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"mime/quotedprintable"
	"net"
	"net/mail"
	"net/textproto"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"firstpass.internal/internal/jml"
)

const (
	relayUser     = "firstpass-user"
	relayPassword = "key-of-relay"
)

// relayServer is a small mail server over real TLS.
type relayServer struct {
	t       testing.TB
	ca      string
	certs   *service
	address string

	implicit   bool
	noStartTLS bool
	plainExt   []string          // extensions offered before TLS, beside STARTTLS
	ext        []string          // extensions offered behind TLS
	replies    map[string]string // by first word of a command, or greeting, body: instead of yes
	hang       string            // the same: no reply
	flood      string            // the same: a reply without end
	inject     string            // said in clear behind the reply to STARTTLS
	oldTLS     bool

	mu   sync.Mutex
	list []*talk
}

// talk is one conversation.
type talk struct {
	clear, secured []string // lines of the client
	data           string
	user           string
}

func newRelay(t testing.TB, bend func(*relayServer)) *relayServer {
	t.Helper()
	s := &relayServer{t: t, certs: newService(t, status(200)), ext: []string{"AUTH PLAIN LOGIN SCRAM-SHA-256", "8BITMIME", "SMTPUTF8", "ENHANCEDSTATUSCODES"}}
	s.ca = s.certs.ca
	if bend != nil {
		bend(s)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s.address = l.Addr().String()
	var wait sync.WaitGroup
	t.Cleanup(func() { _ = l.Close(); wait.Wait() })
	wait.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			wait.Go(func() { s.serve(conn) })
		}
	})
	return s
}

func (s *relayServer) config(t testing.TB) Config {
	return Config{
		Name: "relay", Kind: KindSMTP, Server: s.address, CAFile: s.ca, ImplicitTLS: s.implicit, From: "welcome@example.com",
		FromName: `Larch "&" Söns`, ReplyTo: "desk@example.com", Username: relayUser, PasswordFile: file(t, "password", relayPassword+"\n"),
	}
}

func (s *relayServer) talks() []*talk {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.list)
}

func (s *relayServer) tls() *tls.Config {
	c := s.certs.TLS.Clone()
	c.NextProtos = nil
	if s.oldTLS {
		c.MinVersion, c.MaxVersion = tls.VersionTLS10, tls.VersionTLS11
	}
	return c
}

func (s *relayServer) serve(conn net.Conn) {
	defer func() { _ = conn.Close() }()
	_ = conn.SetDeadline(time.Now().Add(20 * time.Second))
	k := &talk{}
	s.mu.Lock()
	s.list = append(s.list, k)
	s.mu.Unlock()
	secure := s.implicit
	if s.implicit {
		conn = tls.Server(conn, s.tls())
	}
	in := bufio.NewReader(conn)
	// answer reports whether the conversation goes on as usual.
	answer := func(at, yes string) bool {
		switch at {
		case s.hang:
			_, _ = io.Copy(io.Discard, conn)
			return false
		case s.flood:
			for chunk := []byte(strings.Repeat("x", 64<<10)); ; {
				if _, err := conn.Write(chunk); err != nil {
					return false
				}
			}
		}
		if no, ok := s.replies[at]; ok {
			_, _ = io.WriteString(conn, no+"\r\n")
			return no[0] == yes[0]
		}
		_, err := io.WriteString(conn, yes+"\r\n")
		return err == nil
	}
	line := func() (string, bool) {
		l, err := in.ReadString('\n')
		if err != nil {
			return "", false
		}
		l = strings.TrimSuffix(l, "\r\n")
		if secure {
			k.secured = append(k.secured, l)
		} else {
			k.clear = append(k.clear, l)
		}
		return l, true
	}
	if !answer("greeting", "220 mail.example.com ESMTP") {
		return
	}
	for {
		l, ok := line()
		if !ok {
			return
		}
		verb, rest, _ := strings.Cut(l, " ")
		switch verb {
		case "EHLO":
			ext := s.ext
			if !secure {
				ext = s.plainExt
				if !s.noStartTLS {
					ext = append(slices.Clone(ext), "STARTTLS")
				}
			}
			all := append([]string{"mail.example.com"}, ext...)
			for i, e := range all {
				sep := "-"
				if i == len(all)-1 {
					sep = " "
				}
				all[i] = "250" + sep + e
			}
			answer("EHLO", strings.Join(all, "\r\n"))
		case "STARTTLS":
			if !answer("STARTTLS", "220 go on"+s.inject) {
				continue
			}
			conn = tls.Server(conn, s.tls())
			in, secure = bufio.NewReader(conn), true
		case "AUTH":
			if no, ok := s.replies["AUTH"]; ok {
				_, _ = io.WriteString(conn, no+"\r\n")
				continue
			}
			if s.hang == "AUTH" {
				answer("AUTH", "")
				return
			}
			if k.user = signIn(rest, line, conn); k.user == "" {
				_, _ = io.WriteString(conn, "535 5.7.8 no, "+l+"\r\n")
			} else {
				_, _ = io.WriteString(conn, "235 welcome\r\n")
			}
		case "DATA":
			if !answer("DATA", "354 go on") {
				continue
			}
			raw, err := textproto.NewReader(in).ReadDotBytes()
			if err != nil {
				return
			}
			k.data = string(raw)
			if !answer("body", "250 2.0.0 queued as c4n4ry") && s.replies["body"] == "" {
				return
			}
		case "QUIT":
			answer("QUIT", "221 bye")
			return
		default:
			answer(verb, "250 2.0.0 fine")
		}
	}
}

// signIn is the server's side of three mechanisms; it returns who signed in.
func signIn(command string, line func() (string, bool), out io.Writer) string {
	ask := func(challenge string) string {
		fmt.Fprintf(out, "334 %s\r\n", base64.StdEncoding.EncodeToString([]byte(challenge)))
		l, _ := line()
		raw, _ := base64.StdEncoding.DecodeString(l)
		return string(raw)
	}
	mechanism, initial, _ := strings.Cut(command, " ")
	switch mechanism {
	case "PLAIN":
		raw, _ := base64.StdEncoding.DecodeString(initial)
		if string(raw) == "\x00"+relayUser+"\x00"+relayPassword {
			return relayUser
		}
	case "LOGIN":
		if ask("Username:") == relayUser && ask("Password:") == relayPassword {
			return relayUser
		}
	case "SCRAM-SHA-256": // RFC 5802
		first := strings.TrimPrefix(ask(""), "n,,")
		name, nonce, _ := strings.Cut(first, ",r=")
		salt := []byte("salt-salt-salt")
		challenge := fmt.Sprintf("r=%sserver,s=%s,i=4096", nonce, base64.StdEncoding.EncodeToString(salt))
		last := ask(challenge)
		bare, proof64, _ := strings.Cut(last, ",p=")
		proof, _ := base64.StdEncoding.DecodeString(proof64)
		salted, _ := pbkdf2.Key(sha256.New, relayPassword, salt, 4096, 32)
		mac := func(key []byte, s string) []byte {
			h := hmac.New(sha256.New, key)
			h.Write([]byte(s))
			return h.Sum(nil)
		}
		clientKey := mac(salted, "Client Key")
		stored := sha256.Sum256(clientKey)
		signed := first + "," + challenge + "," + bare
		signature := mac(stored[:], signed)
		for i := range signature {
			signature[i] ^= clientKey[i]
		}
		if name != "n="+relayUser || bare != "c=biws,r="+nonce+"server" || !hmac.Equal(signature, proof) {
			return ""
		}
		ask("v=" + base64.StdEncoding.EncodeToString(mac(mac(salted, "Server Key"), signed)))
		return relayUser
	}
	return ""
}

func TestSMTP(t *testing.T) {
	for _, implicit := range []bool{false, true} {
		s := newRelay(t, func(s *relayServer) { s.implicit = implicit })
		m := sample()
		m.Subject, m.Text = "Välkommen – "+strings.Repeat("åäö ", 40), "Hello,\n.\n..dots, and a long line: "+strings.Repeat("x", 2000)+"\n"
		m.Subject = strings.TrimSpace(m.Subject)
		receipt, err := opened(t, s.config(t), Deps{}).Post(t.Context(), "send message", m, false)
		if err != nil {
			t.Fatal(err)
		}
		k := s.talks()[0]
		want := []string{"EHLO example.com", "STARTTLS"}
		if implicit {
			want = nil
		}
		if diff := cmp.Diff(want, k.clear); diff != "" {
			t.Errorf("in clear (-want +got)\n%s", diff)
		}
		commands := slices.DeleteFunc(slices.Clone(k.secured), func(l string) bool {
			return !slices.Contains([]string{"EHLO", "AUTH", "MAIL", "RCPT", "DATA", "RSET", "NOOP", "QUIT"}, strings.SplitN(l, " ", 2)[0])
		})
		want = []string{"EHLO example.com", "AUTH SCRAM-SHA-256", "MAIL FROM:<welcome@example.com> BODY=8BITMIME", "RCPT TO:<robin.vale@example.org>", "DATA", "QUIT"}
		if diff := cmp.Diff(want, commands); diff != "" {
			t.Errorf("commands (-want +got)\n%s", diff)
		}
		if k.user != relayUser {
			t.Errorf("signed in as %q", k.user)
		}
		checkMail(t, k.data, m, receipt)
	}
}

func checkMail(t *testing.T, data string, m Message, receipt jml.Receipt) {
	t.Helper()
	for l := range strings.SplitSeq(data, "\n") {
		if len(l) > 998 {
			t.Errorf("a line of %d octets", len(l))
		}
	}
	got, err := mail.ReadMessage(strings.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	h := got.Header
	subject, _ := new(mime.WordDecoder).DecodeHeader(h.Get("Subject"))
	from, err := mail.ParseAddress(h.Get("From"))
	if err != nil {
		t.Fatal(err)
	}
	date, _ := h.Date()
	for what, pair := range map[string][2]string{
		"subject":  {m.Subject, subject},
		"from":     {`Larch "&" Söns <welcome@example.com>`, from.Name + " <" + from.Address + ">"},
		"to":       {"<robin.vale@example.org>", h.Get("To")},
		"reply to": {"<desk@example.com>", h.Get("Reply-To")},
		"id":       {"<" + receipt.MessageID + ">", h.Get("Message-Id")},
		"date":     {noon.String(), date.UTC().String()},
		"auto":     {"auto-generated", h.Get("Auto-Submitted")},
		"suppress": {"All", h.Get("X-Auto-Response-Suppress")},
		"language": {"en", h.Get("Content-Language")},
		"agent":    {"", h.Get("User-Agent") + h.Get("X-Mailer") + h.Get("Bcc") + h.Get("Cc")},
	} {
		if pair[0] != pair[1] {
			t.Errorf("%s: %q, want %q", what, pair[1], pair[0])
		}
	}
	if !strings.HasSuffix(receipt.MessageID, "@example.com") || len(receipt.MessageID) < 30 {
		t.Errorf("message id %q", receipt.MessageID)
	}
	kind, params, _ := mime.ParseMediaType(h.Get("Content-Type"))
	if kind != "multipart/alternative" {
		t.Errorf("type %s", kind)
	}
	parts := multipart.NewReader(got.Body, params["boundary"])
	for _, want := range []struct{ kind, body string }{{"text/plain", m.Text}, {"text/html", m.HTML}} {
		p, err := parts.NextRawPart()
		if err != nil {
			t.Fatal(err)
		}
		raw, err := io.ReadAll(quotedprintable.NewReader(p))
		body := strings.ReplaceAll(string(raw), "\r\n", "\n")
		if kind, _, _ := mime.ParseMediaType(p.Header.Get("Content-Type")); kind != want.kind || strings.TrimSuffix(body, "\n") != strings.TrimSuffix(want.body, "\n") || err != nil {
			t.Errorf("%s, %v: %q, want %q", kind, err, body, want.body)
		}
	}
}

func TestSMTPMessageIDsDiffer(t *testing.T) {
	s := newRelay(t, nil)
	ch := opened(t, s.config(t), Deps{})
	a, err := ch.Post(t.Context(), "send message", sample(), false)
	b, err2 := ch.Post(t.Context(), "send message", sample(), false)
	if err != nil || err2 != nil || a.MessageID == b.MessageID {
		// A mailbox may hide a second mail of one id, and with it another passcode.
		t.Errorf("%v, %v, %q twice", err, err2, a.MessageID)
	}
}

func TestSMTPMechanisms(t *testing.T) {
	for offered, want := range map[string]string{
		"AUTH PLAIN LOGIN SCRAM-SHA-256": "AUTH SCRAM-SHA-256",
		"AUTH LOGIN PLAIN":               "AUTH PLAIN ",
		"AUTH login":                     "AUTH LOGIN",
		"AUTH CRAM-MD5 NTLM":             "",
		"8BITMIME":                       "",
	} {
		s := newRelay(t, func(s *relayServer) { s.ext = []string{offered}; s.plainExt = []string{"AUTH PLAIN"} })
		ch := opened(t, s.config(t), Deps{})
		r, err := ch.Post(t.Context(), "send message", sample(), false)
		leaks(t, offered, ch, jml.Receipt{}, err)
		k := s.talks()[0]
		if want == "" {
			if f := faultOf(t, err); f.Kind != jml.FaultDenied || f.Code != "noAuthMechanism" || k.user != "" || k.data != "" {
				t.Errorf("%s: %v, %+v", offered, f, k)
			}
			continue
		}
		if err != nil || r.MessageID == "" || k.user != relayUser || !slices.ContainsFunc(k.secured, func(l string) bool { return strings.HasPrefix(l, want) }) {
			t.Errorf("%s: %v, %q", offered, err, k.secured)
		}
	}
	s := newRelay(t, nil)
	cfg := s.config(t)
	cfg.Username, cfg.PasswordFile = "", ""
	if _, err := opened(t, cfg, Deps{}).Post(t.Context(), "send message", sample(), false); err != nil || strings.Contains(strings.Join(s.talks()[0].secured, " "), "AUTH") {
		t.Errorf("without a user name: %v, %q", err, s.talks()[0].secured)
	}
}

func TestSMTPDry(t *testing.T) {
	s := newRelay(t, func(s *relayServer) { s.ext = []string{"AUTH PLAIN"} })
	if r, err := opened(t, s.config(t), Deps{}).Post(t.Context(), "probe channel", sample(), true); err != nil || r != (jml.Receipt{}) {
		t.Fatalf("%+v, %v", r, err)
	}
	k := s.talks()[0]
	want := []string{"MAIL FROM:<welcome@example.com>", "RCPT TO:<robin.vale@example.org>", "RSET", "QUIT"}
	if diff := cmp.Diff(want, k.secured[2:]); diff != "" || k.data != "" || k.user == "" {
		t.Errorf("(-want +got)\n%s%q", diff, k.data)
	}
	if strings.Contains(strings.Join(k.secured, " "), "c4n4ry") {
		t.Error("a probe holds a passcode")
	}
}

// Who sits between us and the server strips STARTTLS, or sets himself in the
// server's place. He gets nothing.
func TestSMTPGivesNothingInClear(t *testing.T) {
	for name, tt := range map[string]struct {
		bend func(*relayServer)
		cfg  func(*Config)
		kind jml.FaultKind
		code string
	}{
		"no STARTTLS": {func(s *relayServer) { s.noStartTLS, s.plainExt = true, []string{"AUTH PLAIN LOGIN SCRAM-SHA-256"} }, nil, jml.FaultRefused, "noSTARTTLS"},
		"no STARTTLS, no AUTH": {func(s *relayServer) { s.noStartTLS = true }, func(c *Config) { c.Username, c.PasswordFile = "", "" },
			jml.FaultRefused, "noSTARTTLS"},
		"no EHLO":             {func(s *relayServer) { s.replies = map[string]string{"EHLO": "502 5.5.1 what?"} }, nil, jml.FaultRefused, "noSTARTTLS"},
		"STARTTLS refused":    {func(s *relayServer) { s.replies = map[string]string{"STARTTLS": "454 4.7.0 not now"} }, nil, jml.FaultUnavailable, "tls:454:4.7.0"},
		"foreign certificate": {nil, func(c *Config) { c.CAFile = "" }, jml.FaultUnavailable, "tls:certificate"},
		"wrong name":          {nil, func(c *Config) { c.Server = strings.Replace(c.Server, "127.0.0.1", "localhost", 1) }, jml.FaultUnavailable, "tls:certificate"},
		"old TLS":             {func(s *relayServer) { s.oldTLS = true }, nil, jml.FaultUnavailable, "tls:connectionBroken"},
		"injected in clear":   {func(s *relayServer) { s.inject = "\r\n250-mail.example.com\r\n250 AUTH PLAIN" }, nil, "", ""},
		"implicit, foreign certificate": {func(s *relayServer) { s.implicit = true }, func(c *Config) { c.CAFile = "" },
			jml.FaultUnavailable, "tls:certificate"},
		"implicit TLS to a server in clear": {nil, func(c *Config) { c.ImplicitTLS = true }, jml.FaultUnavailable, "tls:connectionBroken"},
	} {
		s := newRelay(t, tt.bend)
		cfg := s.config(t)
		if tt.cfg != nil {
			tt.cfg(&cfg)
		}
		ch := opened(t, cfg, Deps{})
		r, err := ch.Post(t.Context(), "send message", sample(), false)
		if tt.code == "" {
			// What stood in the buffer is gone: TLS starts anew and all is well.
			if err != nil {
				t.Errorf("%s: %v", name, err)
			}
		} else {
			if f := faultOf(t, err); f.Kind != tt.kind || f.Code != tt.code {
				t.Errorf("%s: %v", name, f)
			}
			leaks(t, name, ch, r, err)
		}
		for _, k := range s.talks() {
			for _, l := range k.clear {
				if verb, _, _ := strings.Cut(l, " "); !slices.Contains([]string{"EHLO", "HELO", "STARTTLS", "QUIT"}, verb) && !strings.HasPrefix(l, "\x16") && !strings.HasPrefix(l, "\x15") && tt.kind != jml.FaultUnavailable {
					t.Errorf("%s: in clear: %q", name, l)
				}
				for _, private := range []string{"MAIL", "RCPT", "AUTH", "robin", "c4n4ry", "welcome@", relayUser} {
					if strings.Contains(l, private) {
						t.Errorf("%s: %s in clear", name, private)
					}
				}
			}
			if tt.code != "" && (k.data != "" || k.user != "") {
				t.Errorf("%s: got %q of %q", name, k.data, k.user)
			}
		}
	}
}

func TestSMTPReplies(t *testing.T) {
	unavailable := jml.Fault{Kind: jml.FaultUnavailable, Reason: jml.ReasonChannelUnavailable}
	refused := jml.Fault{Kind: jml.FaultRefused, Reason: jml.ReasonMessageRefused}
	denied := jml.Fault{Kind: jml.FaultDenied, Reason: jml.ReasonMessageRefused}
	nobody := jml.Fault{Kind: jml.FaultRefused, Reason: jml.ReasonNoRecipient}
	for _, tt := range []struct {
		at, reply, code string
		want            jml.Fault
	}{
		{"greeting", "421 4.3.2 busy robin.vale@example.org", "greeting:421:4.3.2", unavailable},
		{"greeting", "554 5.7.1 go away", "greeting:554:5.7.1", refused},
		{"greeting", "SSH-2.0-OpenSSH", "greeting:connectionBroken", unavailable},
		{"AUTH", "535 5.7.8 wrong password for " + relayUser, "auth:535:5.7.8", denied},
		{"AUTH", "534 5.7.9 too weak", "auth:534:5.7.9", denied},
		{"AUTH", "504 unknown", "auth:504", denied},
		{"AUTH", "454 4.7.0 later", "auth:454:4.7.0", unavailable},
		{"MAIL", "530 5.7.0 sign in first", "from:530:5.7.0", denied},
		{"MAIL", "550 5.7.60 not your address welcome@example.com", "from:550:5.7.60", refused},
		{"MAIL", "452 4.3.1 full", "from:452:4.3.1", unavailable},
		{"RCPT", "550 5.1.1 <robin.vale@example.org> unknown", "rcpt:550:5.1.1", nobody},
		{"RCPT", "550-5.1.1 <robin.vale@example.org>\r\n550 5.1.1 unknown", "rcpt:550:5.1.1", nobody},
		{"RCPT", "556 5.1.10 null MX", "rcpt:556:5.1.10", nobody},
		{"RCPT", "550 5.7.1 relay denied", "rcpt:550:5.7.1", refused},
		{"RCPT", "550 no", "rcpt:550", refused},
		{"RCPT", "550 c4n4ry", "rcpt:550", refused},
		{"RCPT", "451 4.7.1 greylisted", "rcpt:451:4.7.1", unavailable},
		{"DATA", "554 5.7.1 spam", "data:554:5.7.1", refused},
		{"body", "552 5.3.4 too big", "body:552:5.3.4", refused},
		{"body", "451 4.3.0 later", "body:451:4.3.0", unavailable},
	} {
		s := newRelay(t, func(s *relayServer) { s.replies = map[string]string{tt.at: tt.reply} })
		ch := opened(t, s.config(t), Deps{})
		r, err := ch.Post(t.Context(), "send message", sample(), false)
		tt.want.System, tt.want.Op, tt.want.Code = "smtp", "send message", tt.code
		if diff := cmp.Diff(&tt.want, faultOf(t, err)); diff != "" {
			t.Errorf("%s %s (-want +got)\n%s", tt.at, tt.reply, diff)
		}
		leaks(t, tt.at+" "+tt.reply, ch, r, err)
	}
}

func TestSMTPWrongPassword(t *testing.T) {
	for _, mechanism := range []string{"PLAIN", "LOGIN", "SCRAM-SHA-256"} {
		s := newRelay(t, func(s *relayServer) { s.ext = []string{"AUTH " + mechanism} })
		cfg := s.config(t)
		cfg.PasswordFile = file(t, "p", "key-of-somebody\n")
		ch := opened(t, cfg, Deps{})
		r, err := ch.Post(t.Context(), "send message", sample(), false)
		if f := faultOf(t, err); f.Kind != jml.FaultDenied || f.Code != "auth:535:5.7.8" {
			t.Errorf("%s: %v", mechanism, f)
		}
		leaks(t, mechanism, ch, r, err)
	}
}

// What follows the server's word that it has the mail is no failure: the mail
// would be sent twice.
func TestSMTPTakenIsTaken(t *testing.T) {
	for name, bend := range map[string]func(*relayServer){
		"QUIT refused":       func(s *relayServer) { s.replies = map[string]string{"QUIT": "500 what?"} },
		"QUIT hangs":         func(s *relayServer) { s.hang = "QUIT" },
		"QUIT without end":   func(s *relayServer) { s.flood = "QUIT" },
		"RSET is not needed": func(s *relayServer) { s.replies = map[string]string{"RSET": "500 what?", "NOOP": "500 what?"} },
	} {
		s := newRelay(t, bend)
		begin := time.Now()
		r, err := opened(t, s.config(t), Deps{}).Post(t.Context(), "send message", sample(), false)
		if err != nil || r.MessageID == "" || time.Since(begin) > 5*time.Second {
			t.Errorf("%s: %v after %s", name, err, time.Since(begin))
		}
	}
}

func TestSMTPHangsAndFloods(t *testing.T) {
	for _, at := range []string{"greeting", "EHLO", "STARTTLS", "AUTH", "MAIL", "RCPT", "DATA", "body"} {
		s := newRelay(t, func(s *relayServer) { s.hang = at })
		ctx, stop := context.WithTimeout(t.Context(), 300*time.Millisecond)
		ch, begin := opened(t, s.config(t), Deps{}), time.Now()
		r, err := ch.Post(ctx, "send message", sample(), false)
		stop()
		if f := faultOf(t, err); f.Kind != jml.FaultUnavailable || !strings.HasSuffix(f.Code, ":timeout") || !errors.Is(err, context.DeadlineExceeded) || time.Since(begin) > 5*time.Second {
			t.Errorf("%s hangs: %v after %s", at, err, time.Since(begin))
		}
		leaks(t, at, ch, r, err)
		if at == "AUTH" {
			continue
		}
		s = newRelay(t, func(s *relayServer) { s.flood = at })
		ch, begin = opened(t, s.config(t), Deps{}), time.Now()
		r, err = ch.Post(t.Context(), "send message", sample(), false)
		if f := faultOf(t, err); f.Kind != jml.FaultUnavailable || time.Since(begin) > 5*time.Second {
			t.Errorf("%s without end: %v after %s", at, err, time.Since(begin))
		}
		leaks(t, at, ch, r, err)
	}
}

func TestSMTPCallerStopsWaiting(t *testing.T) {
	s := newRelay(t, func(s *relayServer) { s.hang = "body" })
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(100*time.Millisecond, cancel)
	_, err := opened(t, s.config(t), Deps{}).Post(ctx, "send message", sample(), false)
	if f := faultOf(t, err); !errors.Is(err, context.Canceled) || f.Kind != jml.FaultUnavailable {
		t.Errorf("%v, want a Fault that is context.Canceled", err)
	}
}

func TestLeash(t *testing.T) {
	near, far := net.Pipe()
	defer func() { _, _ = near.Close(), far.Close() }()
	go func() { _, _ = far.Write(make([]byte, 100)) }()
	if n, err := io.ReadFull(&leash{Conn: near, left: 10}, make([]byte, 100)); n != 10 || !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("%d bytes of 10, %v", n, err)
	}
}

func TestSMTPForeignLetters(t *testing.T) {
	m := sample()
	m.To = "røbin@example.org"
	s := newRelay(t, nil)
	if _, err := opened(t, s.config(t), Deps{}).Post(t.Context(), "send message", m, false); err != nil {
		t.Fatal(err)
	}
	if all := strings.Join(s.talks()[0].secured, "\n"); !strings.Contains(all, "MAIL FROM:<welcome@example.com> BODY=8BITMIME SMTPUTF8\nRCPT TO:<røbin@example.org>") {
		t.Error(all)
	}
	s = newRelay(t, func(s *relayServer) { s.ext = []string{"AUTH PLAIN"} })
	_, err := opened(t, s.config(t), Deps{}).Post(t.Context(), "send message", m, false)
	if f := faultOf(t, err); f.Reason != jml.ReasonNoRecipient || f.Code != "noSMTPUTF8" || s.talks()[0].data != "" {
		t.Errorf("%v", f)
	}
}
