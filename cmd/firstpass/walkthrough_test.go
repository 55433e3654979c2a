package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/knadh/koanf/parsers/yaml"
	"go.temporal.io/api/operatorservice/v1"
	"go.temporal.io/api/workflowservice/v1"
	"google.golang.org/grpc"
	"google.golang.org/grpc/health"
	"google.golang.org/grpc/health/grpc_health_v1"

	"firstpass.internal/config"
	"firstpass.internal/internal/intake/mapping"
	"firstpass.internal/internal/profile"
)

// block is a fenced block of docs/sources.md.
type block struct {
	note     string // the comment before it: what to do with it
	language string
	text     string
}

// sourcesPage returns the blocks of docs/sources.md, in order.
func sourcesPage(t *testing.T) []block {
	t.Helper()
	text := pages(t)["../../docs/sources.md"]
	// A start that has passed would be told of in other words, and so would one
	// that is near.
	text = strings.ReplaceAll(text, "2027", strconv.Itoa(time.Now().Year()+2))
	var out []block
	for _, m := range regexp.MustCompile("(?s)(?:<!-- ([^>]*) -->\n)?```(\\w+)\n(.*?)```\n").FindAllStringSubmatch(text, -1) {
		out = append(out, block{m[1], m[2], m[3]})
	}
	return out
}

// TestWalkthrough does what docs/sources.md tells its reader to do, in the same
// order, and compares what comes out.
func TestWalkthrough(t *testing.T) {
	for _, tool := range []string{"bash", "curl", "openssl", "sed", "grep", "head"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skipf("the page uses %s, which is not here", tool)
		}
	}
	w := newWalk(t)
	ran := 0
	for _, b := range sourcesPage(t) {
		switch kind, rest, _ := strings.Cut(b.note, " "); kind {
		case "file:":
			w.write(strings.TrimSpace(rest), b.text)
		case "in":
			w.insert(rest, b.text)
		case "run":
			for _, s := range steps(b.text) {
				w.run(s)
				ran++
			}
		}
	}
	if ran < 15 {
		t.Errorf("only %d commands were run: do the marks still fit?", ran)
	}
}

// TestEverySource: each ready-made source is in the page's table, and there are
// no others.
func TestEverySource(t *testing.T) {
	text := pages(t)["../../docs/sources.md"]
	var listed []string
	for _, m := range regexp.MustCompile("(?m)^\\| `([a-z-]+)` \\| [a-z, ]+ \\|.*\\|.*\\|$").FindAllStringSubmatch(text, -1) {
		listed = append(listed, m[1])
	}
	for _, name := range config.ReadyMade() {
		if !slices.Contains(listed, name) {
			t.Errorf("the page does not list %s", name)
		}
	}
	if len(listed) != len(config.ReadyMade()) {
		t.Errorf("the page lists %d sources, there are %d", len(listed), len(config.ReadyMade()))
	}
}

// TestSnippets: each YAML block of the page is right as it stands: whole sources,
// or keys that take the place of those of the walk-through's.
func TestSnippets(t *testing.T) {
	all := sourcesPage(t)
	i := slices.IndexFunc(all, func(b block) bool { return b.note == "file: firstpass.yaml" })
	if i < 0 {
		t.Fatal("the page has no firstpass.yaml")
	}
	checked := 0
	for _, b := range all {
		if b.language != "yaml" || b.note != "" {
			continue
		}
		checked++
		w := newWalk(t)
		base := parse(t, all[i].text)
		list := base["sources"].([]any)
		if strings.HasPrefix(b.text, "- ") {
			base["sources"] = append(list, parse(t, "sources:\n"+b.text)["sources"].([]any)...)
		} else {
			source := list[0].(map[string]any)
			for k, v := range parse(t, b.text) {
				whole, ok := source[k].(map[string]any)
				part, isMap := v.(map[string]any)
				if k == "map" && ok && isMap {
					for name, expr := range part {
						whole[name] = expr
					}
					continue
				}
				source[k] = v
			}
		}
		whole, err := yaml.Parser().Marshal(base)
		if err != nil {
			t.Fatal(err)
		}
		w.write("firstpass.yaml", string(whole))
		for _, m := range regexp.MustCompile(`(?:secrets|tls)/[a-z-]+`).FindAllString(string(whole), -1) {
			w.write(m, keyText(m))
		}
		cfg, err := config.Load(filepath.Join(w.dir, "firstpass.yaml"), os.Getenv)
		if err == nil {
			var rules *profile.Rules
			if rules, err = newRules(cfg); err == nil {
				_, err = newSources(cfg, rules)
			}
		}
		if err != nil {
			t.Errorf("%s\n%v", b.text, err)
		}
	}
	if checked < 8 {
		t.Errorf("only %d blocks were checked", checked)
	}
}

// TestDateTable: each spelling in the page's table of dates gives the fourth of
// January by the expression beside it, and what is open gives no date.
func TestDateTable(t *testing.T) {
	x, err := mapping.NewCompiler(0)
	if err != nil {
		t.Fatal(err)
	}
	_, table, _ := strings.Cut(pages(t)["../../docs/sources.md"], "\n### dates\n")
	table, _, _ = strings.Cut(table, "\n### ")
	code := regexp.MustCompile("`([^`]+)`")
	checked := 0
	for _, row := range regexp.MustCompile(`(?m)^\| (.*) \| (.*) \|$`).FindAllStringSubmatch(table, -1) {
		expr, want := "localDate(item.d)", ""
		if m := code.FindStringSubmatch(row[2]); m != nil {
			expr, want = m[1], "2027-01-04"
		}
		e, err := x.Text(mapping.ScopeItem, expr)
		if err != nil {
			t.Fatalf("%s: %v", expr, err)
		}
		for _, m := range code.FindAllStringSubmatch(row[1], -1) {
			got, err := e.Text(t.Context(), mapping.Vars{Item: map[string]any{"d": m[1]}})
			if err != nil || got != want {
				t.Errorf("%s of %s = %q, %v; want %q", expr, m[1], got, err, want)
			}
			checked++
		}
	}
	if checked < 10 {
		t.Errorf("only %d spellings found", checked)
	}
}

// keyText is what a file of this name may hold.
func keyText(name string) string {
	if strings.HasSuffix(name, "known-hosts") {
		return "[sftp.example.org]:22 ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIA8HuPFLgyj3jyPqCvKHMKvSyrHW1KNvcQEMoCDCm4Pe\n"
	}
	raw := make([]byte, 32)
	_, _ = rand.Read(raw) // never fails
	return hex.EncodeToString(raw)
}

func parse(t *testing.T, text string) map[string]any {
	t.Helper()
	out, err := yaml.Parser().Unmarshal([]byte(text))
	if err != nil {
		t.Fatalf("%s\n%v", text, err)
	}
	return out
}

// step is a command of a session and what it prints.
type step struct{ command, want string }

func steps(session string) (out []step) {
	for line := range strings.Lines(session) {
		if command, ok := strings.CutPrefix(line, "$ "); ok {
			out = append(out, step{command: strings.TrimSpace(command)})
		} else if len(out) > 0 {
			out[len(out)-1].want += line
		}
	}
	return out
}

// walk is a reader at a terminal.
type walk struct {
	t        *testing.T
	dir      string
	temporal string // address
	intake   string // address
}

func newWalk(t *testing.T) *walk {
	t.Helper()
	return &walk{t: t, dir: t.TempDir(), temporal: startTemporal(t, engine{}), intake: freeAddress(t)}
}

func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

func (w *walk) write(name, text string) {
	w.t.Helper()
	name = filepath.Join(w.dir, name)
	if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
		w.t.Fatal(err)
	}
	if err := os.WriteFile(name, []byte(strings.ReplaceAll(text, "127.0.0.1:8080", w.intake)), 0o600); err != nil {
		w.t.Fatal(err)
	}
}

// insert puts text after the line of a file that begins with a word, as in
// "firstpass.yaml after: Leeds:".
func (w *walk) insert(where, text string) {
	w.t.Helper()
	name, word, ok := strings.Cut(where, " after: ")
	raw, err := os.ReadFile(filepath.Join(w.dir, name))
	if err != nil || !ok {
		w.t.Fatalf("%q: %v", where, err)
	}
	var out strings.Builder
	found := false
	for line := range strings.Lines(string(raw)) {
		out.WriteString(line)
		if strings.HasPrefix(strings.TrimSpace(line), word) {
			out.WriteString(text)
			found = true
		}
	}
	if !found {
		w.t.Fatalf("%s has no line %q", name, word)
	}
	w.write(name, out.String())
}

func (w *walk) run(s step) {
	w.t.Helper()
	if strings.HasPrefix(s.command, "firstpass serve") {
		w.serve()
		return
	}
	want, got := w.known(s.want), ""
	// The numbers of source status are written some seconds later.
	for range 40 {
		got = w.known(w.shell(s.command))
		if got == want || !strings.HasPrefix(s.command, "firstpass source status") {
			break
		}
		time.Sleep(250 * time.Millisecond)
	}
	if strings.HasPrefix(s.command, "firstpass import") { // by reference, which a new key changes
		want, got = sorted(want), sorted(got)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		w.t.Errorf("$ %s\n(-page +program)\n%s", s.command, diff)
	}
}

func sorted(text string) string {
	lines := strings.Split(text, "\n")
	slices.Sort(lines)
	return strings.Join(lines, "\n")
}

func (w *walk) shell(command string) string {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.t.Context(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "bash", "-c", "umask 077; exec 2>&1; "+strings.ReplaceAll(command, "127.0.0.1:8080", w.intake))
	cmd.Dir, cmd.Env = w.dir, w.environ()
	out, _ := cmd.Output() // what it prints tells how it ended
	return string(out)
}

func (w *walk) environ() []string {
	return append(os.Environ(), "FIRSTPASS_TEMPORAL__ADDRESS="+w.temporal, "FIRSTPASS_INTAKE__LISTEN="+w.intake)
}

// serve starts firstpass serve and returns when it answers.
func (w *walk) serve() {
	w.t.Helper()
	var log bytes.Buffer
	cmd := exec.Command("firstpass", "serve")
	cmd.Dir, cmd.Env, cmd.Stderr = w.dir, w.environ(), &log
	if err := cmd.Start(); err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		if w.t.Failed() {
			w.t.Log(log.String())
		}
	})
	for range 200 {
		request, err := http.NewRequestWithContext(w.t.Context(), http.MethodGet, "http://"+w.intake+"/readyz", nil)
		if err != nil {
			w.t.Fatal(err)
		}
		if reply, err := http.DefaultClient.Do(request); err == nil {
			_ = reply.Body.Close()
			if reply.StatusCode == http.StatusOK {
				return
			}
		}
		time.Sleep(50 * time.Millisecond)
	}
	w.t.Fatal("firstpass serve does not get ready")
}

// known makes two outputs equal that differ in what no two runs share.
func (w *walk) known(text string) string {
	text = strings.ReplaceAll(text, w.dir, "/srv/walkthrough")
	for _, r := range [][2]string{
		{`\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\dZ?`, "TIME"},
		{`\b[a-z2-7]{20}\b`, "REF"},
		{`\b\d{8}-[0-9a-f]{8}\b`, "KEY"},
		{`\b\d+s\b`, "LAG"},
		{` +`, " "}, // columns are as wide as what is in them
		{`(?m) +$`, ""},
	} {
		text = regexp.MustCompile(r[0]).ReplaceAllString(text, r[1])
	}
	return text
}

// engine is a Temporal server that keeps what it is told and runs nothing.
type engine struct {
	workflowservice.UnimplementedWorkflowServiceServer
}

func startTemporal(t *testing.T, engine workflowservice.WorkflowServiceServer) (address string) {
	t.Helper()
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s, alive := grpc.NewServer(), health.NewServer()
	alive.SetServingStatus("temporal.api.workflowservice.v1.WorkflowService", grpc_health_v1.HealthCheckResponse_SERVING)
	grpc_health_v1.RegisterHealthServer(s, alive)
	workflowservice.RegisterWorkflowServiceServer(s, engine)
	if o, ok := engine.(operatorservice.OperatorServiceServer); ok {
		operatorservice.RegisterOperatorServiceServer(s, o)
	}
	go func() { _ = s.Serve(l) }() // ends with Stop
	t.Cleanup(s.Stop)
	return l.Addr().String()
}

func (engine) GetSystemInfo(context.Context, *workflowservice.GetSystemInfoRequest) (*workflowservice.GetSystemInfoResponse, error) {
	return &workflowservice.GetSystemInfoResponse{}, nil
}

func (engine) DescribeNamespace(context.Context, *workflowservice.DescribeNamespaceRequest) (*workflowservice.DescribeNamespaceResponse, error) {
	return &workflowservice.DescribeNamespaceResponse{}, nil
}

func (engine) ListSchedules(context.Context, *workflowservice.ListSchedulesRequest) (*workflowservice.ListSchedulesResponse, error) {
	return &workflowservice.ListSchedulesResponse{}, nil
}

func (engine) StartWorkflowExecution(_ context.Context, r *workflowservice.StartWorkflowExecutionRequest) (*workflowservice.StartWorkflowExecutionResponse, error) {
	return &workflowservice.StartWorkflowExecutionResponse{RunId: fmt.Sprintf("run-of-%s", r.WorkflowId)}, nil
}

func (engine) SignalWithStartWorkflowExecution(_ context.Context, r *workflowservice.SignalWithStartWorkflowExecutionRequest) (*workflowservice.SignalWithStartWorkflowExecutionResponse, error) {
	return &workflowservice.SignalWithStartWorkflowExecutionResponse{RunId: fmt.Sprintf("run-of-%s", r.WorkflowId)}, nil
}

func (engine) PollWorkflowTaskQueue(ctx context.Context, _ *workflowservice.PollWorkflowTaskQueueRequest) (*workflowservice.PollWorkflowTaskQueueResponse, error) {
	<-ctx.Done()
	return &workflowservice.PollWorkflowTaskQueueResponse{}, nil
}

func (engine) PollActivityTaskQueue(ctx context.Context, _ *workflowservice.PollActivityTaskQueueRequest) (*workflowservice.PollActivityTaskQueueResponse, error) {
	<-ctx.Done()
	return &workflowservice.PollActivityTaskQueueResponse{}, nil
}
