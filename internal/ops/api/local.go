package api

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strconv"
	"sync"

	"firstpass.internal/internal/ops/access"
)

// Local returns a client that asks handler directly, as id: nothing goes over a
// network, whatever host the URLs name. The CLI without a server uses it.
func Local(handler http.Handler, id access.Identity) *http.Client {
	return &http.Client{Transport: local{handler, id}}
}

type local struct {
	handler http.Handler
	id      access.Identity
}

// RoundTrip implements http.RoundTripper. It returns once the handler has begun
// its reply, which can be read while it is written. The handler's context ends
// with the caller's, and when the caller closes the reply.
func (l local) RoundTrip(r *http.Request) (*http.Response, error) {
	ctx, cancel := context.WithCancel(access.With(r.Context(), l.id))
	in := r.Clone(ctx)
	in.RequestURI = r.URL.RequestURI()
	in.RemoteAddr = "local"
	if in.Host == "" {
		in.Host = r.URL.Host
	}
	if in.Body == nil {
		in.Body = http.NoBody
	}
	out, into := io.Pipe()
	w := &localReply{header: http.Header{}, body: into, bodiless: r.Method == http.MethodHead, begun: make(chan struct{})}
	go func() {
		defer cancel()
		defer func() { _ = in.Body.Close() }()
		fault := errors.New("the handler broke off")
		defer func() { w.end(fault) }()
		defer func() {
			// http.ErrAbortHandler and worse: as with a server, the connection
			// breaks, and the process goes on.
			_ = recover()
		}()
		l.handler.ServeHTTP(w, in)
		fault = nil
	}()
	select {
	case <-w.begun:
	case <-r.Context().Done():
		cancel()
		_ = out.CloseWithError(r.Context().Err())
		return nil, r.Context().Err()
	}
	if w.fault != nil {
		return nil, w.fault
	}
	// A caller who has gone reads no end that looks like one.
	context.AfterFunc(r.Context(), func() { _ = into.CloseWithError(r.Context().Err()) })
	return &http.Response{
		Status: strconv.Itoa(w.status) + " " + http.StatusText(w.status), StatusCode: w.status, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: w.sent, Body: localBody{out, cancel}, ContentLength: -1, Request: r,
	}, nil
}

// localReply is what the handler writes to.
type localReply struct {
	header   http.Header
	body     *io.PipeWriter
	bodiless bool

	once   sync.Once
	begun  chan struct{} // closed once status and sent, or fault, are set
	status int
	sent   http.Header
	fault  error
}

// Header implements http.ResponseWriter.
func (w *localReply) Header() http.Header { return w.header }

// WriteHeader implements http.ResponseWriter.
func (w *localReply) WriteHeader(status int) {
	w.once.Do(func() {
		w.status, w.sent = status, w.header.Clone()
		close(w.begun)
	})
}

// Write implements http.ResponseWriter.
func (w *localReply) Write(b []byte) (int, error) {
	w.WriteHeader(http.StatusOK)
	if w.bodiless {
		return len(b), nil
	}
	return w.body.Write(b)
}

// Flush implements http.Flusher: nothing is kept back.
func (w *localReply) Flush() { w.WriteHeader(http.StatusOK) }

func (w *localReply) end(fault error) {
	w.once.Do(func() {
		w.status, w.sent, w.fault = http.StatusOK, w.header.Clone(), fault
		close(w.begun)
	})
	_ = w.body.CloseWithError(fault) // nil is the end
}

// localBody is what the caller reads.
type localBody struct {
	*io.PipeReader
	cancel context.CancelFunc
}

// Close implements io.Closer. It ends the handler.
func (b localBody) Close() error {
	b.cancel()
	return b.PipeReader.Close()
}
