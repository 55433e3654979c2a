package entrasim

import (
	"errors"
	"net/http"
	"time"
)

// faultBody is a Fault as JSON, its delay a text such as "2s".
type faultBody struct {
	Fault
	Delay duration `json:"delay,omitzero"`
}

type faultView struct {
	ID     string `json:"id"`
	What   string `json:"what"`
	Played int    `json:"played"`
	faultBody
}

func viewFault(h *FaultHandle) faultView {
	return faultView{ID: h.ID, What: h.Fault.String(), Played: h.Played(), faultBody: faultBody{h.Fault, duration(h.Fault.Delay)}}
}

// longestWait bounds GET /sim/faults/{id}/arrived.
const longestWait = time.Minute

func (t *Tenant) faultRoutes(mux *http.ServeMux) {
	mux.HandleFunc("GET /sim/faults", func(w http.ResponseWriter, _ *http.Request) {
		queued := []faultView{}
		for _, h := range t.Faults() {
			queued = append(queued, viewFault(h))
		}
		t.faults.mu.Lock()
		random := t.faults.random
		t.faults.mu.Unlock()
		manageJSON(w, http.StatusOK, object{"seed": t.seed, "queued": queued, "played": orEmpty(t.PlayedFaults()), "random": random})
	})
	mux.HandleFunc("POST /sim/faults", func(w http.ResponseWriter, r *http.Request) {
		var in faultBody
		if !readJSON(w, r, &in) {
			return
		}
		in.Fault.Delay = time.Duration(in.Delay)
		h, err := t.Inject(in.Fault)
		if err != nil {
			manageError(w, http.StatusBadRequest, err)
			return
		}
		manageJSON(w, http.StatusCreated, viewFault(h))
	})
	mux.HandleFunc("DELETE /sim/faults", func(w http.ResponseWriter, _ *http.Request) {
		t.ClearFaults()
		w.WriteHeader(http.StatusNoContent)
	})
	mux.HandleFunc("PUT /sim/faults/random", func(w http.ResponseWriter, r *http.Request) {
		var in RandomFaults
		if readJSON(w, r, &in) {
			t.SetRandomFaults(in)
			manageJSON(w, http.StatusOK, in)
		}
	})
	one := func(do func(http.ResponseWriter, *http.Request, *FaultHandle)) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			for _, h := range t.Faults() {
				if h.ID == r.PathValue("id") {
					do(w, r, h)
					return
				}
			}
			manageError(w, http.StatusNotFound, errors.New("no such fault"))
		}
	}
	mux.Handle("GET /sim/faults/{id}", one(func(w http.ResponseWriter, _ *http.Request, h *FaultHandle) {
		manageJSON(w, http.StatusOK, viewFault(h))
	}))
	mux.Handle("DELETE /sim/faults/{id}", one(func(w http.ResponseWriter, _ *http.Request, h *FaultHandle) {
		h.Remove()
		w.WriteHeader(http.StatusNoContent)
	}))
	mux.Handle("POST /sim/faults/{id}/release", one(func(w http.ResponseWriter, _ *http.Request, h *FaultHandle) {
		h.Release()
		w.WriteHeader(http.StatusNoContent)
	}))
	// Waits for the next request that the fault holds or was played on.
	mux.Handle("GET /sim/faults/{id}/arrived", one(func(w http.ResponseWriter, r *http.Request, h *FaultHandle) {
		timer := time.NewTimer(longestWait)
		defer timer.Stop()
		select {
		case <-h.Arrived():
			manageJSON(w, http.StatusOK, viewFault(h))
		case <-timer.C:
			manageError(w, http.StatusRequestTimeout, errors.New("no request came"))
		case <-r.Context().Done():
		case <-t.closing:
			manageError(w, http.StatusServiceUnavailable, errors.New("closing"))
		}
	}))
}
