package main

import (
	"encoding/json"
	"testing"
	"time"

	"firstpass.internal/internal/intake"
)

// TestQuarantinedJSON: scripts of operators read these names.
func TestQuarantinedJSON(t *testing.T) {
	got, err := json.Marshal(describe(intake.Quarantined{
		ID: "abc", Source: "hooks", Reason: "zone: unknown", At: time.Date(2026, 11, 22, 8, 0, 0, 0, time.UTC), Size: 7,
	}))
	if err != nil {
		t.Fatal(err)
	}
	const want = `{"id":"abc","source":"hooks","reason":"zone: unknown","time":"2026-11-22T08:00:00Z","size":7}`
	if string(got) != want {
		t.Errorf("got %s\nwant %s", got, want)
	}
}
