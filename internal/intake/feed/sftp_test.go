package feed_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/pem"
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/pkg/sftp"
	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/knownhosts"

	"firstpass.internal/config"
	"firstpass.internal/internal/intake/feed"
	"firstpass.internal/internal/jml"
)

func newSigner(t *testing.T) (ssh.Signer, ed25519.PrivateKey) {
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	s, err := ssh.NewSignerFromKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return s, key
}

// sftpServer serves this machine's files to user acme.
type sftpServer struct {
	address string
	hosts   []ssh.Signer
	key     ssh.Signer // of the user
	keyFile string
	asks    bool // for the password by question
	stalls  int  // after so many bytes; 0 for never
	mu      sync.Mutex
	logins  int // attempts with a password
}

func newSFTP(t *testing.T, change func(*sftpServer)) *sftpServer {
	s := &sftpServer{}
	host, _ := newSigner(t)
	s.hosts = []ssh.Signer{host}
	user, raw := newSigner(t)
	s.key = user
	block, err := ssh.MarshalPrivateKey(raw, "")
	if err != nil {
		t.Fatal(err)
	}
	s.keyFile = write(t, t.TempDir(), "key", string(pem.EncodeToMemory(block)))
	if change != nil {
		change(s)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s.address = l.Addr().String()
	var all sync.WaitGroup
	// This waits for ever for a connection that nobody closed.
	t.Cleanup(func() { _ = l.Close(); all.Wait() })
	all.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			all.Go(func() { s.serve(conn) })
		}
	})
	return s
}

func (s *sftpServer) login(password string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.logins++
	if password != "correct horse" {
		return errors.New("wrong password")
	}
	return nil
}

func (s *sftpServer) serve(conn net.Conn) {
	if s.stalls > 0 {
		conn = &stalling{Conn: conn, left: s.stalls, closed: make(chan struct{})}
	}
	defer conn.Close()
	cfg := &ssh.ServerConfig{
		PublicKeyCallback: func(m ssh.ConnMetadata, key ssh.PublicKey) (*ssh.Permissions, error) {
			if m.User() != "acme" || string(key.Marshal()) != string(s.key.PublicKey().Marshal()) {
				return nil, errors.New("unknown key")
			}
			return nil, nil
		},
		PasswordCallback: func(_ ssh.ConnMetadata, pw []byte) (*ssh.Permissions, error) { return nil, s.login(string(pw)) },
	}
	if s.asks {
		cfg.PasswordCallback = nil
		cfg.KeyboardInteractiveCallback = func(_ ssh.ConnMetadata, ask ssh.KeyboardInteractiveChallenge) (*ssh.Permissions, error) {
			got, err := ask("", "", []string{"Password: "}, []bool{false})
			if err != nil || len(got) != 1 {
				return nil, errors.New("no answer")
			}
			return nil, s.login(got[0])
		}
	}
	for _, h := range s.hosts {
		cfg.AddHostKey(h)
	}
	c, channels, requests, err := ssh.NewServerConn(conn, cfg)
	if err != nil {
		return
	}
	defer c.Close()
	go ssh.DiscardRequests(requests)
	for nc := range channels {
		ch, requests, err := nc.Accept()
		if err != nil {
			return
		}
		go func() {
			for r := range requests {
				_ = r.Reply(r.Type == "subsystem", nil)
			}
		}()
		server, err := sftp.NewServer(ch)
		if err != nil {
			return
		}
		_ = server.Serve()
		_ = ch.Close()
	}
}

// known returns a known_hosts file with that key.
func (s *sftpServer) known(t *testing.T, key ssh.PublicKey) string {
	return write(t, t.TempDir(), "known_hosts", knownhosts.Line([]string{s.address}, key)+"\n")
}

func (s *sftpServer) config(t *testing.T, dir string) config.File {
	f := file(dir)
	f.SFTP = config.SFTP{Address: s.address, User: "acme", KeyFile: s.keyFile, HostKeyFile: s.known(t, s.hosts[0].PublicKey())}
	return f
}

func TestSFTP(t *testing.T) {
	s := newSFTP(t, nil)
	dir := folder(t, map[string]string{"b.csv": "id;name\n1;Åsa\n", ".c.csv": "", "d.csv.part": ""})
	put(t, dir, "a.csv", "id\n"+strings.Repeat("1\n", 300_000), -time.Hour) // many packets
	if err := os.Mkdir(filepath.Join(dir, "x.csv"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("b.csv", filepath.Join(dir, "link.csv")); err != nil {
		t.Fatal(err)
	}
	f := s.config(t, dir)
	f.After, f.Archive = config.AfterArchive, "taken/by us"
	files := newFiles(t, f, "")
	got := list(t, files)
	if d := cmp.Diff([]string{"b.csv", "a.csv"}, names(got)); d != "" {
		t.Fatal(d)
	}
	// The directory itself is the oracle, apart from the link.
	f.SFTP, f.After = config.SFTP{}, config.AfterKeep
	want := map[string]string{}
	for _, f := range list(t, newFiles(t, f, "")) {
		want[f.Name] = f.Digest
	}
	for _, f := range got {
		if f.Digest == "" || f.Digest != want[f.Name] {
			t.Errorf("got %+v, want digest %s", f, want[f.Name])
		}
	}
	items, err := read(t, got[0])
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff([]feed.Item{{Where: "line 2", Value: map[string]any{"id": "1", "name": "Åsa"}}}, items); d != "" {
		t.Error(d)
	}
	if items, err = read(t, got[1]); err != nil || len(items) != 300_000 {
		t.Errorf("%d items, %v", len(items), err)
	}
	for _, one := range got {
		for range 2 {
			if err := one.Done(t.Context()); err != nil {
				t.Error(err)
			}
		}
	}
	put(t, dir, "b.csv", "id\n2\n", -time.Hour)
	again := list(t, files)
	if len(again) != 1 {
		t.Fatalf("got %v", names(again))
	}
	if err := again[0].Done(t.Context()); err != nil {
		t.Error(err)
	}
	taken, err := os.ReadDir(filepath.Join(dir, "taken", "by us"))
	if err != nil || len(taken) != 3 {
		t.Errorf("got %v, %v", taken, err)
	}
	_, err = read(t, got[0])
	wantFault(t, err, jml.FaultNotFound, "there when the folder was listed")
}

func TestSFTPDelete(t *testing.T) {
	s := newSFTP(t, nil)
	f := s.config(t, folder(t, map[string]string{"a.csv": "id\n1\n"}))
	f.After = config.AfterDelete
	files := newFiles(t, f, "")
	one := list(t, files)[0]
	if err := one.Done(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := list(t, files); len(got) != 0 {
		t.Errorf("got %v", names(got))
	}
}

func TestSFTPPassword(t *testing.T) {
	for _, asks := range []bool{false, true} {
		s := newSFTP(t, func(s *sftpServer) { s.asks = asks })
		f := s.config(t, folder(t, map[string]string{"a.csv": "id\n1\n"}))
		dir := t.TempDir()
		f.SFTP.KeyFile, f.SFTP.PasswordFile = "", write(t, dir, "password", "wrong\n")
		files := newFiles(t, f, "")
		_, err := files.List(t.Context())
		wantFault(t, err, jml.FaultDenied, "refuses user, key or password")
		write(t, dir, "password", "correct horse\n")
		if got := list(t, files); len(got) != 1 {
			t.Errorf("asks %t: got %v", asks, names(got))
		}
	}
}

func TestSFTPHostKey(t *testing.T) {
	s := newSFTP(t, nil)
	other, _ := newSigner(t)
	fingerprint := ssh.FingerprintSHA256(s.hosts[0].PublicKey())
	for name, tt := range map[string]struct {
		known string
		text  string
	}{
		"another key":     {s.known(t, other.PublicKey()), "which is not in host_key_file"},
		"another address": {write(t, t.TempDir(), "known_hosts", knownhosts.Line([]string{"sftp.example.org"}, s.hosts[0].PublicKey())), "has none for its address"},
		"nothing":         {write(t, t.TempDir(), "known_hosts", "# nobody\n"), "has none for its address"},
		"revoked":         {write(t, t.TempDir(), "known_hosts", "@revoked * "+string(ssh.MarshalAuthorizedKey(s.hosts[0].PublicKey()))), "which is not in host_key_file"},
	} {
		t.Run(name, func(t *testing.T) {
			f := s.config(t, t.TempDir())
			f.SFTP.KeyFile, f.SFTP.PasswordFile = "", write(t, t.TempDir(), "password", "correct horse")
			f.SFTP.HostKeyFile = tt.known
			_, err := newFiles(t, f, "").List(t.Context())
			wantFault(t, err, jml.FaultDenied, "code hostKey", fingerprint, tt.text)
			if s.logins != 0 {
				t.Error("the server got the password")
			}
		})
	}
}

// A server with keys of several types offers the one that we know.
func TestSFTPTwoHostKeys(t *testing.T) {
	raw, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	second, err := ssh.NewSignerFromKey(raw)
	if err != nil {
		t.Fatal(err)
	}
	s := newSFTP(t, func(s *sftpServer) { s.hosts = append(s.hosts, second) })
	for _, h := range s.hosts {
		f := s.config(t, folder(t, map[string]string{"a.csv": "id\n1\n"}))
		f.SFTP.HostKeyFile = s.known(t, h.PublicKey())
		if got := list(t, newFiles(t, f, "")); len(got) != 1 {
			t.Errorf("got %v", names(got))
		}
	}
}

func TestSFTPFaults(t *testing.T) {
	s := newSFTP(t, nil)
	f := s.config(t, filepath.Join(t.TempDir(), "missing"))
	_, err := newFiles(t, f, "").List(t.Context())
	wantFault(t, err, jml.FaultNotFound, "does not exist")

	_, wrong := newSigner(t)
	block, err := ssh.MarshalPrivateKey(wrong, "")
	if err != nil {
		t.Fatal(err)
	}
	f.SFTP.KeyFile = write(t, t.TempDir(), "key", string(pem.EncodeToMemory(block)))
	_, err = newFiles(t, f, "").List(t.Context())
	wantFault(t, err, jml.FaultDenied, "refuses user, key or password")

	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	f = s.config(t, t.TempDir())
	f.SFTP.Address = l.Addr().String()
	files := newFiles(t, f, "")
	// It accepts, and says nothing.
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	_, err = files.List(ctx)
	wantFault(t, err, jml.FaultUnavailable, "timeout")
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v", err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	_, err = files.List(t.Context())
	wantFault(t, err, jml.FaultUnavailable, "notReachable")
}

// stalling says nothing more after some bytes.
type stalling struct {
	net.Conn
	left   int
	once   sync.Once
	closed chan struct{}
}

func (s *stalling) Write(p []byte) (int, error) {
	if s.left -= len(p); s.left < 0 {
		<-s.closed
		return 0, net.ErrClosed
	}
	return s.Conn.Write(p)
}

// Read ends the stall when the client is gone.
func (s *stalling) Read(p []byte) (int, error) {
	n, err := s.Conn.Read(p)
	if err != nil {
		s.once.Do(func() { close(s.closed) })
	}
	return n, err
}

// A server that falls silent in the middle of a file holds nobody up for longer
// than the context says.
func TestSFTPStalls(t *testing.T) {
	s := newSFTP(t, func(s *sftpServer) { s.stalls = 100_000 })
	f := s.config(t, folder(t, map[string]string{"a.csv": "id\n" + strings.Repeat("1\n", 300_000)}))
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	_, err := newFiles(t, f, "").List(ctx)
	wantFault(t, err, jml.FaultUnavailable)
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v", err)
	}
}

// A context that ends in the middle of a file breaks the connection.
func TestSFTPInterrupted(t *testing.T) {
	s := newSFTP(t, nil)
	f := s.config(t, folder(t, map[string]string{"a.csv": "id\n" + strings.Repeat("1\n", 300_000)}))
	one := list(t, newFiles(t, f, ""))[0]
	ctx, cancel := context.WithCancel(t.Context())
	err := one.Each(ctx, func(feed.Item) error { cancel(); return nil })
	if !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

func TestSFTPPassphrase(t *testing.T) {
	s := newSFTP(t, nil)
	_, key := newSigner(t)
	block, err := ssh.MarshalPrivateKeyWithPassphrase(key, "", []byte("x"))
	if err != nil {
		t.Fatal(err)
	}
	f := s.config(t, t.TempDir())
	f.SFTP.KeyFile = write(t, t.TempDir(), "key", string(pem.EncodeToMemory(block)))
	_, err = feed.NewFiles("sources[0]", "acme", nil, f, "", compiler(t))
	if err == nil || !strings.Contains(err.Error(), "sources[0].file.sftp.key_file: has a passphrase") {
		t.Errorf("got %v", err)
	}
}
