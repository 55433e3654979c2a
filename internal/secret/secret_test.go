package secret_test

import (
	"bytes"
	"encoding/gob"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"html/template"
	"log/slog"
	"strings"
	"testing"

	"firstpass.internal/internal/secret"
)

const canary = "c4n4ry+Pass<&"

// holder carries a passcode where fmt can't call methods: in an unexported
// field. That is where string-based secret types leak.
type holder struct {
	Open   secret.Passcode
	hidden secret.Passcode
	ptr    *secret.Passcode
}

func TestPasscodeNeverPrints(t *testing.T) {
	p := secret.NewPasscode(canary)
	h := holder{Open: p, hidden: p, ptr: &p}
	var logs bytes.Buffer
	for name, h := range map[string]slog.Handler{"text": slog.NewTextHandler(&logs, nil), "json": slog.NewJSONHandler(&logs, nil)} {
		slog.New(h).Info(name, "open", p, "holder", h, "pointer", &p)
	}
	outputs := []string{logs.String(), p.String(), errors.New("x: " + fmt.Sprint(p)).Error()}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d", "%T"} {
		for _, v := range []any{p, &p, h, &h, []secret.Passcode{p}, map[string]holder{"k": h}} {
			outputs = append(outputs, fmt.Sprintf(verb, v))
		}
	}
	var page bytes.Buffer
	if err := template.Must(template.New("").Parse("{{.Open}}")).Execute(&page, h); err != nil {
		t.Fatal(err)
	}
	outputs = append(outputs, page.String())
	hex := fmt.Sprintf("%x", canary)
	for _, out := range outputs {
		if strings.Contains(out, canary) || strings.Contains(out, "c4n4ry") || strings.Contains(out, hex) {
			t.Errorf("the passcode shows in %q", out)
		}
	}
}

func TestPasscodeRefusesEncoders(t *testing.T) {
	h := struct{ P secret.Passcode }{secret.NewPasscode(canary)}
	if b, err := json.Marshal(h); err == nil {
		t.Errorf("json gave %s", b)
	}
	if b, err := json.Marshal(map[string]any{"p": &h.P}); err == nil {
		t.Errorf("json of a pointer gave %s", b)
	}
	if b, err := xml.Marshal(h); err == nil {
		t.Errorf("xml gave %s", b)
	}
	var buf bytes.Buffer
	if err := gob.NewEncoder(&buf).Encode(h); err == nil {
		t.Errorf("gob gave %d bytes", buf.Len())
	}
}

func TestReveal(t *testing.T) {
	if got := secret.NewPasscode(canary).Reveal(); got != canary {
		t.Errorf("Reveal() = %q", got)
	}
	var zero secret.Passcode
	if !zero.Empty() || zero.Reveal() != "" {
		t.Error("the zero passcode is not empty")
	}
}
