package proof

import (
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"firstpass.internal/config"
)

func basicOf(text string) string { return "Basic " + base64.StdEncoding.EncodeToString([]byte(text)) }

func TestCredentials(t *testing.T) {
	bearer := verifier(t, config.Verify{Kind: config.VerifyBearer}, old, secret)
	basic := verifier(t, config.Verify{Kind: config.VerifyBasic, User: "hr"}, old, secret+":with a colon")
	inURL := verifier(t, config.Verify{Kind: config.VerifyURLSecret}, old, secret)
	for _, tc := range []struct {
		name string
		v    *Verifier
		r    Request
		want error
	}{
		{"bearer", bearer, Request{Header: header("Authorization", "Bearer "+secret)}, nil},
		{"bearer, old key", bearer, Request{Header: header("Authorization", "bearer  "+old)}, nil},
		{"bearer, both keys", bearer, Request{Header: header("Authorization", "Bearer "+old+secret)}, errCredential},
		{"bearer, part", bearer, Request{Header: header("Authorization", "Bearer "+secret[:18])}, errCredential},
		{"bearer, more", bearer, Request{Header: header("Authorization", "Bearer "+secret+" ")}, errCredential},
		{"bearer, empty", bearer, Request{Header: header("Authorization", "Bearer ")}, errCredential},
		{"bearer, no scheme", bearer, Request{Header: header("Authorization", secret)}, errCredential},
		{"bearer, other scheme", bearer, Request{Header: header("Authorization", "Basic "+secret)}, errCredential},
		{"bearer, none", bearer, Request{}, errHeader},
		{"bearer, twice", bearer, Request{Header: header("Authorization", "Bearer "+secret, "Authorization", "Bearer "+secret)}, errHeader},
		{"bearer, in the URL", bearer, Request{URLSecret: secret}, errHeader},
		{"basic", basic, Request{Header: header("Authorization", basicOf("hr:"+old))}, nil},
		{"basic, lower case", basic, Request{Header: header("Authorization", "basic"+basicOf("hr:" + secret + ":with a colon")[5:])}, nil},
		{"basic, other user", basic, Request{Header: header("Authorization", basicOf("HR:"+old))}, errCredential},
		{"basic, no user", basic, Request{Header: header("Authorization", basicOf(":"+old))}, errCredential},
		{"basic, no password", basic, Request{Header: header("Authorization", basicOf("hr:"))}, errCredential},
		{"basic, no colon", basic, Request{Header: header("Authorization", basicOf("hr"+old))}, errCredential},
		{"basic, not encoded", basic, Request{Header: header("Authorization", "Basic hr:"+old)}, errCredential},
		{"basic, encoded twice", basic, Request{Header: header("Authorization", basicOf(basicOf("hr:" + old)[6:]))}, errCredential},
		{"URL", inURL, Request{URLSecret: secret}, nil},
		{"URL, other case", inURL, Request{URLSecret: strings.ToUpper(secret)}, errCredential},
		{"URL, none", inURL, Request{}, errCredential},
		{"URL, as a header", inURL, Request{Header: header("Authorization", "Bearer "+secret)}, errCredential},
	} {
		if signed := judge(t, tc.name, tc.v, tc.r, tc.want); !signed.IsZero() {
			t.Errorf("%s: signed at %s", tc.name, signed)
		}
	}
	if !bearer.CoversBody() || !basic.CoversBody() || inURL.CoversBody() {
		t.Error("a credential stands for its sender, a secret in the URL does not")
	}
}

// Without a key nothing passes, whatever the kind.
func TestNotReady(t *testing.T) {
	for _, v := range []config.Verify{
		{Kind: config.VerifyHMAC, Message: "{body}", SignatureHeader: "S"},
		{Kind: config.VerifyStandardWebhooks},
		{Kind: config.VerifyBearer},
		{Kind: config.VerifyBasic, User: "hr"},
		{Kind: config.VerifyURLSecret},
	} {
		out := verifier(t, v)
		if out.Ready() {
			t.Errorf("%s is ready", v.Kind)
		}
		judge(t, string(v.Kind), out, Request{
			Header: header("S", hexMAC(sha256.New, "", "{}"), "Authorization", "Bearer "), Body: []byte("{}"),
		}, errNotReady)
	}
}

func TestNewTellsEverything(t *testing.T) {
	long := strings.Repeat("k", 40)
	good := config.Verify{Kind: config.VerifyHMAC, Algorithm: "sha256", Encoding: "hex", Message: "{body}", SignatureHeader: "S"}
	with := func(edit func(*config.Verify)) config.Verify {
		v := good
		edit(&v)
		return v
	}
	key := func(text string) func(*config.Verify) {
		return func(v *config.Verify) { v.KeyFiles = []string{file(t, long), file(t, text)} }
	}
	for name, tc := range map[string]struct {
		verify config.Verify
		want   []string // keys
	}{
		"good":          {good, nil},
		"nothing":       {config.Verify{}, []string{"kind"}},
		"an empty hmac": {config.Verify{Kind: config.VerifyHMAC}, []string{"algorithm", "encoding", "message", "signature_header"}},
		"no such file":  {with(func(v *config.Verify) { v.KeyFiles = []string{"/no/such/file"} }), []string{"key_files[0]"}},
		"an empty file": {with(key("")), []string{"key_files[1]"}},
		"blanks":        {with(key(strings.Repeat(" ", 40))), []string{"key_files[1]"}},
		"15 bytes":      {with(key(canary + "-abc")), []string{"key_files[1]"}},
		"16 bytes":      {with(key(canary + "-abcd")), nil},
		"hex of 15 bytes": {with(func(v *config.Verify) {
			key(strings.Repeat("ab", 15))(v)
			v.KeyFiles = v.KeyFiles[1:]
			v.KeyEncoding = "hex"
		}), []string{"key_files[0]"}},
		"no hex":                     {with(func(v *config.Verify) { key(long)(v); v.KeyEncoding = "hex" }), []string{"key_files[0]", "key_files[1]"}},
		"no base64":                  {with(func(v *config.Verify) { key(canary + "!" + long)(v); v.KeyEncoding = "base64" }), []string{"key_files[1]"}},
		"key encoding":               {with(func(v *config.Verify) { key(long)(v); v.KeyEncoding = "rot13" }), []string{"key_files[0]", "key_files[1]"}},
		"both places":                {with(func(v *config.Verify) { v.SignatureField = "a" }), []string{"signature_field", "signature_header"}},
		"signs itself":               {with(func(v *config.Verify) { v.SignatureHeader, v.SignatureField = "", "a" }), []string{"signature_field"}},
		"time not signed":            {with(func(v *config.Verify) { v.TimestampHeader = "T" }), []string{"timestamp_header"}},
		"another header is":          {with(func(v *config.Verify) { v.TimestampHeader, v.Message = "T", "{body}{header:U}" }), []string{"timestamp_header"}},
		"time signed":                {with(func(v *config.Verify) { v.TimestampHeader, v.Message = "T", "{body}{header:t}" }), nil},
		"time signed as {timestamp}": {with(func(v *config.Verify) { v.TimestampHeader, v.Message = "T", "{timestamp}{body}" }), nil},
		"field in the body":          {with(func(v *config.Verify) { v.TimestampField = "a.b" }), nil},
		"field signed":               {with(func(v *config.Verify) { v.TimestampField, v.Message = "a.b", "{json:a.b}" }), nil},
		"field not signed":           {with(func(v *config.Verify) { v.TimestampField, v.Message = "a.b", "{json:a.c}" }), []string{"timestamp_field"}},
		"bad field":                  {with(func(v *config.Verify) { v.TimestampField = "a..b" }), []string{"timestamp_field"}},
		"two times":                  {with(func(v *config.Verify) { v.TimestampField, v.TimestampHeader, v.Message = "a", "T", "{body}{header:T}" }), []string{"timestamp_header"}},
		"{timestamp} from nowhere":   {with(func(v *config.Verify) { v.Message = "{timestamp}{body}" }), []string{"message"}},
		"an item of no list":         {with(func(v *config.Verify) { v.TimestampPrefix, v.Message = "t=", "{timestamp}{body}" }), []string{"timestamp_prefix"}},
		"an item that is not signed": {with(func(v *config.Verify) { v.TimestampPrefix, v.SignatureList = "t=", "," }), []string{"timestamp_prefix"}},
		"an item":                    {with(func(v *config.Verify) { v.TimestampPrefix, v.SignatureList, v.Message = "t=", ",", "{timestamp}{body}" }), nil},
		"basic without a user":       {config.Verify{Kind: config.VerifyBasic, KeyFiles: []string{file(t, long)}}, []string{"user"}},
		"basic with a colon":         {config.Verify{Kind: config.VerifyBasic, User: "h:r"}, []string{"user"}},
		"a slash in the URL":         {config.Verify{Kind: config.VerifyURLSecret, KeyFiles: []string{file(t, long+"/"), file(t, long+"é"), file(t, long+"-._~Z0")}}, []string{"key_files[0]", "key_files[1]"}},
		"no whsec":                   {config.Verify{Kind: config.VerifyStandardWebhooks, KeyFiles: []string{file(t, long)}}, []string{"key_files[0]"}},
		"an empty jwt":               {config.Verify{Kind: config.VerifyJWT}, []string{"audience", "issuer"}},
		"http":                       {config.Verify{Kind: config.VerifyJWT, Issuer: "http://login.example.com", Audience: "a"}, []string{"issuer"}},
		"a user in the issuer":       {config.Verify{Kind: config.VerifyJWT, Issuer: "https://u:p@login.example.com/x", Audience: "a"}, []string{"issuer"}},
		"a query in the issuer":      {config.Verify{Kind: config.VerifyJWT, Issuer: "https://login.example.com/x?y", Audience: "a"}, []string{"issuer"}},
		"no such CA file":            {config.Verify{Kind: config.VerifyJWT, Issuer: "https://login.example.com/x/v2.0", Audience: "a", CAFile: "/no/such/file"}, []string{"ca_file"}},
		"jwt":                        {config.Verify{Kind: config.VerifyJWT, Issuer: "https://login.example.com/x/v2.0", Audience: "a"}, nil},
	} {
		v, err := New("sources[3].verify", tc.verify)
		if (v == nil) != (err != nil) {
			t.Errorf("%s: %v and %v", name, v, err)
		}
		var got []string
		for _, e := range config.Errors(err) {
			path, ok := strings.CutPrefix(e.Path, "sources[3].verify.")
			if !ok {
				t.Errorf("%s: path %s", name, e.Path)
			}
			got = append(got, path)
		}
		slices.Sort(got)
		if d := cmp.Diff(tc.want, got); d != "" {
			t.Errorf("%s: %v %s", name, err, d)
		}
		if err != nil && (strings.Contains(err.Error(), "Quxley") || strings.Contains(err.Error(), long)) {
			t.Errorf("%s: the error quotes a key: %v", name, err)
		}
	}
	var ce *config.Error
	if _, err := New("x", config.Verify{}); !errors.As(err, &ce) {
		t.Errorf("%T", err)
	}
}
