package main

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"database/sql"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"firstpass.internal/internal/audit"
	"firstpass.internal/internal/audit/chain"
	"firstpass.internal/internal/ledger"
)

// clear seals nothing.
type clear struct{}

func (clear) Seal(plain []byte, _ string) []byte           { return plain }
func (clear) Open(sealed []byte, _ string) ([]byte, error) { return sealed, nil }

// TestChainWatch: what leaves is told, and a change of a row is noticed.
func TestChainWatch(t *testing.T) {
	file := filepath.Join(t.TempDir(), "ledger.db")
	book, err := ledger.Open(t.Context(), ledger.Config{Driver: ledger.SQLite, File: file, Sealer: clear{}})
	if err != nil {
		t.Fatal(err)
	}
	defer book.Close()
	w := &chainWatch{book: book, exports: true, log: slog.New(slog.DiscardHandler)}
	add := func() {
		if err := book.Append(t.Context(), audit.Entry{Time: time.Now(), Event: audit.EventPassIssued, Ref: "q7k2m9w4"}); err != nil {
			t.Fatal(err)
		}
	}
	began := time.Now().Add(-time.Second)
	add()
	first, err := w.tell(t.Context())
	if err != nil || first.Exported.Before(began) || first.Exported.After(time.Now()) || !first.Verified.IsZero() {
		t.Errorf("before anything left: %+v, %v", first, err)
	}
	if wait := w.verify(t.Context()); wait != verifyEvery {
		t.Errorf("verifies again after %v", wait)
	}
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	out := chain.Exporter{Book: book, Key: key, Folder: t.TempDir()}
	if _, err := out.Export(t.Context()); err != nil {
		t.Fatal(err)
	}
	time.Sleep(2 * time.Millisecond) // heads are stamped to the millisecond
	all, err := w.tell(t.Context())
	if err != nil || all.Verified.IsZero() || all.Broken || time.Since(all.Exported) > time.Second {
		t.Errorf("all has left: %+v, %v", all, err)
	}
	between := time.Now()
	add()
	more, err := w.tell(t.Context())
	if err != nil || more.Rows <= all.Rows || more.Exported.After(between) || more.Exported.Before(began) {
		t.Errorf("a row has not left: %+v, %v", more, err)
	}

	// Somebody who owns the database file.
	db, err := sql.Open("sqlite", file)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if _, err := db.ExecContext(t.Context(), `DROP TRIGGER audit_no_update;
		UPDATE audit SET body = CAST(replace(CAST(body AS TEXT), 'q7k2m9w4', 'zzzzzzzz') AS BLOB)`); err != nil {
		t.Fatal(err)
	}
	if w.verify(t.Context()); !w.broken {
		t.Error("a changed row is not noticed")
	}
	told, err := w.tell(t.Context())
	if err != nil || !told.Broken {
		t.Errorf("%+v, %v", told, err)
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	w.run(ended)
}

func TestProbe(t *testing.T) {
	status := http.StatusServiceUnavailable
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(status)
		_, _ = w.Write([]byte("temporal does not answer\n"))
	}))
	defer s.Close()
	if err := probe(t.Context(), s.URL); err == nil || !strings.Contains(err.Error(), "not yet: temporal does not answer") {
		t.Errorf("503: %v", err)
	}
	status = http.StatusOK
	if err := probe(t.Context(), s.URL); err != nil {
		t.Errorf("200: %v", err)
	}
	s.Close()
	if err := probe(t.Context(), s.URL); err == nil || strings.Contains(err.Error(), "127.0.0.1") {
		t.Errorf("nobody there: %v", err)
	}
}
