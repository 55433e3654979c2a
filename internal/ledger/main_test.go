package ledger

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"firstpass.internal/internal/codec"
)

var (
	_ Sealer = (*codec.Keyring)(nil)

	noon = time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)

	server    postgresServer
	databases atomic.Int64
)

// childEnv makes this test binary another process with the same ledger; its
// value is what the child does.
const childEnv = "FIRSTPASS_TEST_LEDGER_CHILD"

func TestMain(m *testing.M) {
	if job := os.Getenv(childEnv); job != "" {
		os.Exit(child(job))
	}
	code := m.Run()
	server.stop()
	os.Exit(code)
}

// postgresServer is one PostgreSQL for all tests, started by the first that
// wants it.
type postgresServer struct {
	once sync.Once
	cmd  *exec.Cmd
	dir  string // of the data, if it is ours
	url  string // of the database postgres
	why  string // there is none
}

func (s *postgresServer) start() {
	s.once.Do(func() {
		if err := s.launch(); err != nil {
			s.why = err.Error()
			s.url = os.Getenv("FIRSTPASS_TEST_POSTGRES_URL")
		}
	})
}

func (s *postgresServer) launch() error {
	bin, err := postgresBinaries()
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "fp-pg")
	if err != nil {
		return err
	}
	s.dir = dir
	var as []string // PostgreSQL does not run as root
	if os.Geteuid() == 0 {
		u, err := user.Lookup("postgres")
		if err != nil {
			return err
		}
		uid, _ := strconv.Atoi(u.Uid)
		gid, _ := strconv.Atoi(u.Gid)
		if err := os.Chown(dir, uid, gid); err != nil {
			return err
		}
		as = []string{"setpriv", "--reuid=" + u.Uid, "--regid=" + u.Gid, "--clear-groups"}
	}
	command := func(args ...string) *exec.Cmd {
		args = append(as, args...)
		cmd := exec.Command(args[0], args[1:]...)
		cmd.Dir = dir
		return cmd
	}
	data := filepath.Join(dir, "data")
	if out, err := command(filepath.Join(bin, "initdb"), "-D", data, "-A", "trust", "-U", "tester", "--no-sync", "-E", "UTF8").CombinedOutput(); err != nil {
		return fmt.Errorf("initdb: %w: %s", err, out)
	}
	s.cmd = command(filepath.Join(bin, "postgres"), "-D", data, "-k", dir, "-c", "listen_addresses=", "-c", "max_connections=300")
	if err := s.cmd.Start(); err != nil {
		return err
	}
	s.url = "postgres://tester@/postgres?host=" + dir
	for end := time.Now().Add(30 * time.Second); time.Now().Before(end); {
		db, err := sql.Open("pgx", s.url)
		if err != nil {
			return err
		}
		err = db.Ping()
		db.Close()
		if err == nil {
			return nil
		}
	}
	return errors.New("postgres does not answer")
}

func postgresBinaries() (string, error) {
	dirs, _ := filepath.Glob("/usr/lib/postgresql/*/bin")
	if p, err := exec.LookPath("initdb"); err == nil {
		dirs = append(dirs, filepath.Dir(p))
	}
	for _, dir := range dirs {
		if _, err := os.Stat(filepath.Join(dir, "initdb")); err == nil {
			return dir, nil
		}
	}
	return "", errors.New("no initdb")
}

func (s *postgresServer) stop() {
	if s.cmd != nil {
		s.cmd.Process.Signal(os.Interrupt) // fast shutdown
		s.cmd.Wait()
	}
	if s.dir != "" {
		os.RemoveAll(s.dir)
	}
}

// world is a database of a test's own.
type world struct {
	testing.TB
	cfg Config
}

func sqliteWorld(t testing.TB) *world {
	return &world{t, Config{Driver: SQLite, File: filepath.Join(t.TempDir(), "ledger.db"), Sealer: ring(t), Now: func() time.Time { return noon }}}
}

func postgresWorld(t testing.TB) *world {
	t.Helper()
	server.start()
	if server.url == "" {
		t.Skipf("no PostgreSQL (%s) and no FIRSTPASS_TEST_POSTGRES_URL", server.why)
	}
	admin, err := sql.Open("pgx", server.url)
	if err != nil {
		t.Fatal(err)
	}
	defer admin.Close()
	name := fmt.Sprintf("ledger_%d_%d", os.Getpid(), databases.Add(1))
	if _, err := admin.Exec("CREATE DATABASE " + name); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		admin, err := sql.Open("pgx", server.url)
		if err != nil {
			t.Error(err)
			return
		}
		defer admin.Close()
		if _, err := admin.Exec("DROP DATABASE " + name + " WITH (FORCE)"); err != nil {
			t.Error(err)
		}
	})
	u, err := url.Parse(server.url)
	if err != nil {
		t.Fatal(err)
	}
	u.Path = "/" + name
	return &world{t, Config{Driver: Postgres, URL: u.String(), Sealer: ring(t), Now: func() time.Time { return noon }}}
}

// each runs test on a database of each kind.
func each(t *testing.T, test func(t *testing.T, w *world)) {
	t.Run("sqlite", func(t *testing.T) { test(t, sqliteWorld(t)) })
	t.Run("postgres", func(t *testing.T) { test(t, postgresWorld(t)) })
}

func eachBench(b *testing.B, bench func(b *testing.B, l *Ledger)) {
	b.Run("sqlite", func(b *testing.B) { bench(b, sqliteWorld(b).open()) })
	b.Run("postgres", func(b *testing.B) { bench(b, postgresWorld(b).open()) })
}

// open returns one more handle to the database, as another process has.
func (w *world) open() *Ledger {
	w.Helper()
	l, err := Open(context.Background(), w.cfg)
	if err != nil {
		w.Fatal(err)
	}
	w.Cleanup(func() {
		if err := l.Close(); err != nil {
			w.Error(err)
		}
	})
	return l
}

func ring(t testing.TB) *codec.Keyring {
	t.Helper()
	k, err := codec.NewKeyring(noon)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// child does a job for its parent on the SQLite file whose path follows it.
func child(job string) int {
	ctx := context.Background()
	keys, err := codec.LoadKeyring(os.Getenv("KEYRING"))
	if err != nil {
		fmt.Println(err)
		return 1
	}
	l, err := Open(ctx, Config{Driver: SQLite, File: os.Getenv("FILE"), Sealer: keys})
	if err != nil {
		fmt.Println(err)
		return 1
	}
	if job == "open" {
		return 0
	}
	for i := 0; ; i++ {
		id := fmt.Sprintf("q%d", i)
		if err := l.Keep(ctx, Quarantined{ID: id, Source: "hr", Reason: "test", At: noon}, []byte("body of "+id)); err != nil {
			fmt.Println(err)
			return 1
		}
		fmt.Println(id)
	}
}

// childOf returns a process that does job on the SQLite file at path.
func childOf(t *testing.T, job, path string, keys *codec.Keyring) *exec.Cmd {
	t.Helper()
	keyring := filepath.Join(t.TempDir(), "keyring")
	if err := keys.Save(keyring); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), childEnv+"="+job, "KEYRING="+keyring, "FILE="+path)
	return cmd
}

// filesUnder returns the contents of the files in dir.
func filesUnder(t *testing.T, dir string) [][]byte {
	t.Helper()
	var all [][]byte
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		raw, err := os.ReadFile(path)
		all = append(all, raw)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// database is the path of the URL.
func (w *world) database() string {
	w.Helper()
	u, err := url.Parse(w.cfg.URL)
	if err != nil {
		w.Fatal(err)
	}
	return u.Path
}
