package pickup

import (
	"fmt"
	"net/http"
	"testing"

	"firstpass.internal/internal/jml"
	"firstpass.internal/internal/pickup/identity"
)

// scenes are all pages, by name.
func scenes(t *testing.T, lang string) (*world, []string, map[string]string) {
	w := newWorld(t)
	var names []string
	out := map[string]string{}
	head := http.Header{"Sec-Fetch-Site": {"same-origin"}, "Accept-Language": {lang}}
	add := func(name string, act func(b *browser) answer, change ...func(*world)) {
		b := newWorld(t, change...).browser()
		b.head = head
		names = append(names, name)
		out[name] = act(b).body
	}
	get := func(path string) func(*browser) answer {
		return func(b *browser) answer { return b.get(path) }
	}
	within := func(path string) func(*browser) answer {
		return func(b *browser) answer { b.enter(); return b.follow(b.get(path)) }
	}
	state := func(f func(*fakePass)) func(b *browser) answer {
		return func(b *browser) answer { b.enter(); f(b.w.pass); return b.follow(b.get("/p/next")) }
	}
	add("home", get("/"))
	add("start", get("/p"))
	add("start-empty", func(b *browser) answer { return b.post("/p", "reference", "abc", "code", "12") })
	add("start-wrong", func(b *browser) answer { return b.post("/p", "token", b.w.token, "code", "000000") })
	add("again", get("/p/again"))
	add("asked", func(b *browser) answer { return b.post("/p/again", "token", b.w.token, "code", b.w.code) })
	add("fact", within("/p/next"), proofs(jml.ProofFact))
	add("fact-wrong", func(b *browser) answer {
		b.enter()
		return b.post("/p/fact", "day", "31", "month", "2", "year", "2001")
	}, proofs(jml.ProofFact))
	add("eid", within("/p/next"), proofs(jml.ProofOIDC))
	add("leaving", func(b *browser) answer { b.enter(); return b.post("/p/eid") }, proofs(jml.ProofOIDC))
	add("returned", func(b *browser) answer {
		b.enter()
		b.post("/p/eid")
		return b.get("/p/eid/return?code=c&state=s-1")
	}, proofs(jml.ProofOIDC))
	add("manager", within("/p/next"), proofs(jml.ProofManager))
	add("refused", state(func(f *fakePass) { f.refused = true }), proofs(jml.ProofManager))
	add("desk", within("/p/next"), proofs(jml.ProofDesk))
	add("cannot", within("/p/next"), proofs(jml.ProofFact), func(w *world) {
		w.identity.ready = func(string) error { return identity.ErrUnknown }
	})
	add("ready", within("/p/next"))
	add("making", state(func(f *fakePass) { f.minting = true }))
	add("blocked", state(func(f *fakePass) { f.block = jml.Blocked(jml.ReasonGraphUnavailable, "") }))
	add("pass", func(b *browser) answer { return b.reveal() })
	for _, k := range []jml.Kind{jml.KindMover, jml.KindRecovery, jml.KindStaging} {
		of := func(w *world) { w.pass.journey, w.pass.device = k, "LT-20871" }
		add("ready-"+string(k), within("/p/next"), of)
		add("pass-"+string(k), func(b *browser) answer { return b.reveal() }, of)
	}
	add("closed", get("/p/closed"))
	add("nothing", get("/p/pass"))
	add("notme", get("/not-me"))
	add("revoked", func(b *browser) answer { return b.post("/not-me", "token", b.w.notMe, "last", "4F7A") })
	add("vouch", get("/vouch"))
	add("vouch-wrong", func(b *browser) answer { return b.post("/vouch", "token", b.w.attest, "number", "47") })
	add("vouched", func(b *browser) answer {
		return b.post("/vouch", "token", b.w.attest, "number", "4711", "how", "video", "is", "yes")
	})
	add("away", func(b *browser) answer {
		b.w.store.fail = fmt.Errorf("the ledger does not answer")
		return b.post("/p", "token", b.w.token, "code", b.w.code)
	})
	add("missing", get("/nowhere"))
	return w, names, out
}
