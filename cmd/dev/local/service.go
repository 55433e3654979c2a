package local

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"strconv"
	"sync"
	"time"
)

// ServiceConfig says how a simulated service listens. Name and Dir are required.
type ServiceConfig struct {
	Name string // of the certificate, and in errors
	Dir  string // holds the certificate
	// APIAddr is where programs call (TLS), PageAddr where people read (plain
	// http). Loopback; a free port each when empty.
	APIAddr, PageAddr string
}

// Service is a simulated service: a side that programs call, over TLS, and one
// that people read.
type Service struct {
	cert      tls.Certificate
	trust     string
	apiSide   net.Listener
	pageSide  net.Listener
	servers   []*http.Server
	ctx       context.Context // ends with the service
	cancel    context.CancelFunc
	closeOnce sync.Once
	closeErr  error
	working   sync.WaitGroup
}

// NewService returns a service that has its addresses and answers nobody before
// Serve.
func NewService(cfg ServiceConfig) (*Service, error) {
	s := &Service{}
	var err error
	if s.cert, s.trust, err = Certificate(cfg.Dir, cfg.Name); err != nil {
		return nil, err
	}
	if s.apiSide, err = Listen(cfg.APIAddr); err != nil {
		return nil, fmt.Errorf("%s, side of programs: %w", cfg.Name, err)
	}
	if s.pageSide, err = Listen(cfg.PageAddr); err != nil {
		return nil, errors.Join(fmt.Errorf("%s, page: %w", cfg.Name, err), s.apiSide.Close())
	}
	s.ctx, s.cancel = context.WithCancel(context.Background())
	return s, nil
}

// Serve begins to answer.
func (s *Service) Serve(api, pages http.Handler) {
	// What net/http complains of is mostly a client that was killed.
	silent := log.New(io.Discard, "", 0)
	called := &http.Server{
		Handler:           api,
		TLSConfig:         &tls.Config{Certificates: []tls.Certificate{s.cert}, MinVersion: tls.VersionTLS12},
		ReadHeaderTimeout: 10 * time.Second, ErrorLog: silent,
	}
	read := &http.Server{Handler: pages, ReadHeaderTimeout: 10 * time.Second, ErrorLog: silent}
	s.servers = []*http.Server{called, read}
	s.Go(func() { _ = called.ServeTLS(s.apiSide, "", "") }) // ends with ErrServerClosed
	s.Go(func() { _ = read.Serve(s.pageSide) })
}

// URL is the root that programs call.
func (s *Service) URL() string { return "https://" + s.apiSide.Addr().String() }

// PageURL is where people read.
func (s *Service) PageURL() string { return "http://" + s.pageSide.Addr().String() }

// CAFile is the certificate that a program must trust.
func (s *Service) CAFile() string { return s.trust }

// Context ends when the service closes.
func (s *Service) Context() context.Context { return s.ctx }

// Go does something that Close waits for; it must end with Context.
func (s *Service) Go(work func()) { s.working.Go(work) }

// Close stops both sides; held requests go unanswered.
func (s *Service) Close() error {
	s.closeOnce.Do(func() {
		s.cancel()
		ctx, cancel := context.WithTimeout(context.Background(), 3*time.Second)
		defer cancel()
		// Shutdown waits for what is being kept; Close cuts off who will not go.
		if len(s.servers) == 0 { // it never served
			s.closeErr = errors.Join(s.apiSide.Close(), s.pageSide.Close())
		}
		for _, server := range s.servers {
			if server.Shutdown(ctx) != nil {
				s.closeErr = errors.Join(s.closeErr, server.Close())
			}
		}
		s.working.Wait()
	})
	return s.closeErr
}

// longestWait bounds a wait over HTTP.
const longestWait = 10 * time.Minute

// AnswerWait answers the n-th message (default: the first) to somebody once
// there is one. to says in errors how an address is written.
func AnswerWait[T any](w http.ResponseWriter, r *http.Request, to string, wait func(ctx context.Context, to string, n int) (T, error)) {
	q := r.URL.Query()
	n, err := 1, error(nil)
	if s := q.Get("n"); s != "" {
		n, err = strconv.Atoi(s)
	}
	if err != nil || n < 1 || q.Get("to") == "" {
		AnswerJSON(w, http.StatusBadRequest, map[string]string{"error": "want to=" + to + " and, if not 1, n=NUMBER"})
		return
	}
	ctx, cancel := context.WithTimeoutCause(r.Context(), longestWait, errors.New("waited long enough"))
	defer cancel()
	m, err := wait(ctx, q.Get("to"), n)
	if err != nil {
		AnswerJSON(w, http.StatusRequestTimeout, map[string]string{"error": err.Error()})
		return
	}
	AnswerJSON(w, http.StatusOK, m)
}
