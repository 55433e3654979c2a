package feed

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"path"
	"strings"
	"time"

	"github.com/pkg/sftp"
	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/knownhosts"

	"firstpass.internal/config"
	"firstpass.internal/internal/jml"
	"firstpass.internal/internal/outbound"
)

const (
	opConnect = "connect to sftp server"
	// connectLimit bounds dialling and the handshake. What comes after is bounded
	// by the caller's context.
	connectLimit = 30 * time.Second
	remoteBuffer = 256 << 10 // bytes asked for at once; SFTP packets hold 32 KiB
)

// remote is a folder of an SFTP server. Links are not followed: what they lead
// to can't be told from here.
type remote struct {
	path string
	conn *ssh.Client
	sftp *sftp.Client
	stop func() bool // stops watching the context
}

// checkSFTP reads the files of s as a connection would.
func checkSFTP(p *problems, at string, s config.SFTP) {
	if _, err := knownhosts.New(s.HostKeyFile); err != nil {
		p.addIf(at+".host_key_file", unquoted(err))
	}
	if s.KeyFile != "" {
		_, err := signer(s.KeyFile)
		p.addIf(at+".key_file", err)
	}
	if s.PasswordFile != "" {
		_, err := outbound.Secret(s.PasswordFile)
		p.addIf(at+".password_file", err)
	}
}

// unquoted leaves the lines of a known_hosts file out of the error.
func unquoted(err error) error {
	var path *fs.PathError
	if errors.As(err, &path) {
		return err
	}
	return errors.New("not in the form of OpenSSH's known_hosts")
}

func signer(file string) (ssh.Signer, error) {
	pem, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	key, err := ssh.ParsePrivateKey(pem)
	var passphrase *ssh.PassphraseMissingError
	switch {
	case errors.As(err, &passphrase):
		return nil, errors.New("has a passphrase; use a key without one, readable by this service alone")
	case err != nil:
		return nil, errors.New("not an OpenSSH or PEM private key")
	}
	return key, nil
}

// dial connects and finds the folder. It reads keys and password anew, so that
// they can be replaced without a restart. The connection breaks when ctx ends.
func dial(ctx context.Context, s config.SFTP, folder string) (*remote, error) {
	var offered hostKey
	cfg, err := clientConfig(s, &offered)
	if err != nil {
		f := &jml.Fault{System: system, Op: opConnect, Kind: jml.FaultDenied}
		return nil, fmt.Errorf("%w: host_key_file, key_file or password_file can't be read", f)
	}
	brief, cancel := context.WithTimeout(ctx, connectLimit)
	defer cancel()
	raw, err := (&net.Dialer{}).DialContext(brief, "tcp", s.Address)
	if err != nil {
		return nil, unanswered(ctx, opConnect, err)
	}
	unwatch := context.AfterFunc(brief, func() { _ = raw.Close() })
	conn, channels, requests, err := ssh.NewClientConn(raw, s.Address, cfg)
	if err != nil {
		unwatch()
		_ = raw.Close()
		return nil, connectFault(ctx, brief, &offered, err)
	}
	client := ssh.NewClient(conn, channels, requests)
	session, err := sftp.NewClient(client)
	if err != nil || !unwatch() {
		_ = client.Close()
		return nil, outbound.Told(ctx, &jml.Fault{System: system, Op: opConnect, Kind: jml.FaultUnavailable, Code: "noSFTP"})
	}
	stop := context.AfterFunc(ctx, func() { _ = raw.Close() })
	return &remote{path: folder, conn: client, sftp: session, stop: stop}, nil
}

func clientConfig(s config.SFTP, offered *hostKey) (*ssh.ClientConfig, error) {
	known, err := knownhosts.New(s.HostKeyFile)
	if err != nil {
		return nil, err
	}
	algorithms, err := hostKeyAlgorithms(s, known)
	if err != nil {
		return nil, err
	}
	var auth []ssh.AuthMethod
	if s.KeyFile != "" {
		key, err := signer(s.KeyFile)
		if err != nil {
			return nil, err
		}
		auth = append(auth, ssh.PublicKeys(key))
	}
	if s.PasswordFile != "" {
		password, err := outbound.Secret(s.PasswordFile)
		if err != nil {
			return nil, err
		}
		auth = append(auth, ssh.Password(password), ssh.KeyboardInteractive(answer(password)))
	}
	return &ssh.ClientConfig{User: s.User, Auth: auth, HostKeyCallback: offered.check(known), HostKeyAlgorithms: algorithms}, nil
}

// answer gives the password to servers that ask for it as a question, as many do
// that use PAM. It answers one hidden question and no other.
func answer(password string) ssh.KeyboardInteractiveChallenge {
	return func(_, _ string, questions []string, echos []bool) ([]string, error) {
		switch {
		case len(questions) == 0:
			return nil, nil
		case len(questions) == 1 && !echos[0]:
			return []string{password}, nil
		}
		return nil, errors.New("the server asks for more than a password")
	}
}

// hostKeyAlgorithms asks the server for a key of a type that we know. Otherwise
// it picks one itself, and a server with two keys looks like an impostor:
// https://github.com/golang/go/issues/29286. Nil is for the package's own choice.
func hostKeyAlgorithms(s config.SFTP, known ssh.HostKeyCallback) ([]string, error) {
	raw, err := os.ReadFile(s.HostKeyFile)
	if err != nil || strings.Contains(string(raw), "@cert-authority") {
		return nil, err
	}
	// Nobody has this key, so the answer names all that the server may have.
	none, err := ssh.NewPublicKey(make(ed25519.PublicKey, ed25519.PublicKeySize))
	if err != nil {
		return nil, err
	}
	var wanted *knownhosts.KeyError
	if !errors.As(known(s.Address, &net.TCPAddr{}, none), &wanted) {
		return nil, nil
	}
	var out []string
	for _, k := range wanted.Want {
		if t := k.Key.Type(); t == ssh.KeyAlgoRSA {
			out = append(out, ssh.KeyAlgoRSASHA512, ssh.KeyAlgoRSASHA256)
		} else {
			out = append(out, t)
		}
	}
	return out, nil
}

// hostKey is what became of the check of a server's key.
type hostKey struct {
	fingerprint string
	err         error
	passed      bool
}

func (h *hostKey) check(known ssh.HostKeyCallback) ssh.HostKeyCallback {
	return func(name string, addr net.Addr, key ssh.PublicKey) error {
		h.fingerprint = ssh.FingerprintSHA256(key)
		h.err = known(name, addr, key)
		h.passed = h.err == nil
		return h.err
	}
}

func connectFault(ctx, brief context.Context, h *hostKey, err error) error {
	f := &jml.Fault{System: system, Op: opConnect, Kind: jml.FaultUnavailable, Code: outbound.NoAnswer(err)}
	var key *knownhosts.KeyError
	switch {
	case errors.As(h.err, &key) && len(key.Want) == 0:
		f.Kind, f.Code = jml.FaultDenied, codeHostKey
		return fmt.Errorf("%w: the server offers the key %s, and host_key_file has none for its address", f, h.fingerprint)
	case h.err != nil:
		f.Kind, f.Code = jml.FaultDenied, codeHostKey
		return fmt.Errorf("%w: the server offers the key %s, which is not in host_key_file; "+
			"find out whether its owner changed it", f, h.fingerprint)
	case brief.Err() != nil:
		f.Code = "timeout"
	// The package has no error of its own for it.
	case h.passed && strings.Contains(err.Error(), "unable to authenticate"):
		f.Kind, f.Code = jml.FaultDenied, "authentication"
		return fmt.Errorf("%w: the server refuses user, key or password", f)
	case strings.Contains(err.Error(), "no common algorithm"):
		f.Kind, f.Code = jml.FaultRefused, "algorithms"
		return fmt.Errorf("%w: no algorithm in common; host_key_file may have a key of a type that the server has no more", f)
	}
	return outbound.Told(ctx, f)
}

func (r *remote) close() error {
	r.stop()
	err := r.sftp.Close()
	_ = r.conn.Close() // closing SFTP may have closed it
	return err
}

func (r *remote) list() ([]fs.FileInfo, error) { return r.sftp.ReadDir(r.path) }

func (r *remote) stat(name string) (fs.FileInfo, error) { return r.sftp.Lstat(path.Join(r.path, name)) }

func (r *remote) open(name string) (io.ReadCloser, error) {
	return r.sftp.Open(path.Join(r.path, name))
}

func (r *remote) remove(name string) error { return r.sftp.Remove(path.Join(r.path, name)) }

// inFolder returns sub, which may be relative to a folder of an SFTP server.
func inFolder(folder, sub string) string {
	if path.IsAbs(sub) {
		return path.Clean(sub)
	}
	return path.Join(folder, sub)
}

// move looks whether the name is free: SFTP's rename must not replace (draft 02,
// 6.5), but there are servers that do.
func (r *remote) move(name, to string, at time.Time) error {
	to = inFolder(r.path, to)
	if err := r.sftp.MkdirAll(to); err != nil {
		return err
	}
	for try := range tries {
		target := path.Join(to, archived(name, at, try))
		_, err := r.sftp.Lstat(target)
		if errors.Is(err, fs.ErrNotExist) {
			return r.sftp.Rename(path.Join(r.path, name), target)
		}
		if err != nil {
			return err
		}
	}
	return errors.New("no free name in the archive")
}
