package pickup

import (
	"strings"
	"testing"

	"firstpass.internal/internal/jml"
)

// What a pass is for stands on the page before and on the page with it.
func TestPagesSayWhatThePassIsFor(t *testing.T) {
	recovery := []string{"you have lost a way to sign in", "If you did not ask for it, don’t go on, and tell us at once."}
	staging := []string{"set up a device in an employee’s name", "LT-20871", "Kari Lund", "Register nothing of your own"}
	mover := []string{"your new position asks for"}
	for kind, want := range map[jml.Kind][]string{"": nil, jml.KindMover: mover, jml.KindRecovery: recovery, jml.KindStaging: staging} {
		w := newWorld(t, func(w *world) {
			w.pass.journey, w.pass.devices, w.pass.makes = kind, 2, true
			if kind == jml.KindStaging {
				w.pass.device = "LT-20871"
			}
		})
		b := w.browser()
		b.enter()
		ready := b.follow(b.get("/p/next")).body
		pass := b.reveal().body
		for page, body := range map[string]string{"ready": ready, "pass": pass} {
			for of, phrases := range map[jml.Kind][]string{jml.KindMover: mover, jml.KindRecovery: recovery, jml.KindStaging: staging} {
				for _, p := range phrases {
					if strings.Contains(body, p) != (of == kind) {
						t.Errorf("%q, page %s: holds %q: %v", kind, page, p, of != kind)
					}
				}
			}
		}
		if len(want) == 0 && strings.Contains(ready+pass, "Kari") {
			t.Error("the page of a joiner names the employee")
		}
		technician := kind == jml.KindStaging
		for phrase, is := range map[string]bool{
			"in all, on different devices": !technician, "A passkey has to be of a kind that Fjordkraft Demo allows.": !technician,
			"<svg": !technician, "When the device is done, tell the service desk.": technician, "After a restart": false, "as after a restart": technician,
			"kari.lund@example.com": true,
		} {
			if strings.Contains(pass, phrase) != is {
				t.Errorf("%q: the page with the pass holds %q: %v", kind, phrase, !is)
			}
		}
	}
}

// A device's name comes from whoever asked for the staging.
func TestDeviceIsText(t *testing.T) {
	b := newWorld(t, func(w *world) { w.pass.journey, w.pass.device = jml.KindStaging, "<script>alert(1)</script>" }).browser()
	if body := b.reveal().body; strings.Contains(body, "<script>alert") || !strings.Contains(body, "&lt;script&gt;alert") {
		t.Error("markup in a device's name is markup on the page")
	}
}
