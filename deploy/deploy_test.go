// Package deploy_test checks the files of this folder as far as that goes
// without a container engine and a service manager.
package deploy_test

import (
	"debug/elf"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/knadh/koanf/parsers/yaml"

	"firstpass.internal/workflows"
)

func read(t *testing.T, name string) string {
	t.Helper()
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// instructions returns a Dockerfile's lines by instruction, in order.
func instructions(t *testing.T, file string) (out [][2]string) {
	t.Helper()
	for line := range strings.Lines(read(t, file)) {
		if word, rest, ok := strings.Cut(strings.TrimSpace(line), " "); ok && !strings.HasPrefix(line, "#") {
			out = append(out, [2]string{word, rest})
		}
	}
	return out
}

// TestImageProgram runs the build command of the Dockerfile and looks whether
// its program can run in an empty image.
func TestImageProgram(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("the image is for Linux")
	}
	build := ""
	for _, i := range instructions(t, "Dockerfile") {
		if i[0] == "RUN" && strings.HasPrefix(i[1], "go build") {
			build = i[1]
		}
	}
	program := filepath.Join(t.TempDir(), "firstpass")
	build = strings.ReplaceAll(build, "/out/firstpass", program)
	cmd := exec.Command("sh", "-c", build)
	cmd.Dir = ".."
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "VERSION=v1.2.3-test")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", build, err, out)
	}
	f, err := elf.Open(program)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for _, p := range f.Progs {
		if p.Type == elf.PT_INTERP || p.Type == elf.PT_DYNAMIC {
			t.Errorf("the program has a %s segment: it is not static", p.Type)
		}
	}
	info, err := os.Stat(program)
	if err != nil {
		t.Fatal(err)
	}
	if mb := info.Size() >> 20; mb >= 90 {
		t.Errorf("the program has %d MB, want less than 90", mb)
	}
	// An empty environment, as in the image.
	show := exec.Command(program, "--version")
	show.Env = []string{}
	out, err := show.Output()
	if err != nil || strings.TrimSpace(string(out)) != "v1.2.3-test" {
		t.Errorf("--version gave %q, %v", out, err)
	}
	t.Logf("%d MB, static", info.Size()>>20)
}

func TestImageIsEmptyAndUnprivileged(t *testing.T) {
	all := instructions(t, "Dockerfile")
	last := -1
	for i, in := range all {
		if in[0] == "FROM" {
			last = i
		}
		if in[0] == "FROM" && strings.Contains(in[1], "latest") {
			t.Errorf("FROM %s: name a version", in[1])
		}
	}
	final := all[last:]
	if final[0][1] != "scratch" {
		t.Errorf("the image is made FROM %s, want scratch", final[0][1])
	}
	if !slices.ContainsFunc(final, func(i [2]string) bool {
		return i[0] == "USER" && regexp.MustCompile(`^[1-9]\d*:[1-9]\d*$`).MatchString(i[1])
	}) {
		t.Error("the image does not run as a user given by number")
	}
	mod := read(t, "../go.mod")
	toolchain := regexp.MustCompile(`FROM golang:(\d+\.\d+)`).FindStringSubmatch(read(t, "Dockerfile"))[1]
	if !strings.Contains(mod, "\ngo "+toolchain) {
		t.Errorf("the image is built with Go %s, go.mod asks for something else", toolchain)
	}
}

func TestUnit(t *testing.T) {
	unit := read(t, "systemd/firstpass.service")
	section, settings := "", map[string][]string{}
	for line := range strings.Lines(unit) {
		line = strings.TrimSpace(line)
		switch {
		case line == "" || strings.HasPrefix(line, "#"):
		case strings.HasPrefix(line, "["):
			section = line
		default:
			key, value, ok := strings.Cut(line, "=")
			if !ok || section == "" {
				t.Errorf("%q is no setting", line)
			}
			settings[key] = append(settings[key], value)
		}
	}
	for key, want := range map[string]string{
		"DynamicUser": "yes", "NoNewPrivileges": "yes", "ProtectSystem": "strict", "ProtectHome": "yes", "PrivateTmp": "yes",
		"PrivateDevices": "yes", "ProtectKernelTunables": "yes", "ProtectKernelModules": "yes", "ProtectControlGroups": "yes",
		"MemoryDenyWriteExecute": "yes", "LockPersonality": "yes", "RestrictNamespaces": "yes", "CapabilityBoundingSet": "",
		"SystemCallArchitectures": "native", "UMask": "0077", "LimitCORE": "0", "StateDirectory": "firstpass",
	} {
		if got := settings[key]; len(got) != 1 || got[0] != want {
			t.Errorf("%s = %q, want %q", key, got, want)
		}
	}
	start := strings.Fields(settings["ExecStart"][0])
	if start[0] != "/usr/local/bin/firstpass" || start[1] != "serve" {
		t.Errorf("ExecStart = %q", start)
	}
	if analyse, err := exec.LookPath("systemd-analyze"); err == nil {
		// Says what it does not know; the program itself is not installed here.
		out, _ := exec.Command(analyse, "verify", "systemd/firstpass.service").CombinedOutput()
		for line := range strings.Lines(string(out)) {
			if strings.Contains(line, "Unknown") {
				t.Error(line)
			}
		}
	}
}

func TestCompose(t *testing.T) {
	tree, err := yaml.Parser().Unmarshal([]byte(read(t, "compose/compose.yaml")))
	if err != nil {
		t.Fatal(err)
	}
	services := tree["services"].(map[string]any)
	for name, s := range services {
		service := s.(map[string]any)
		if image, ok := service["image"].(string); ok && !regexp.MustCompile(`:\d[\w.]*$`).MatchString(image) {
			t.Errorf("%s: image %s names no version", name, image)
		}
		if ports, ok := service["ports"].([]any); ok {
			for _, p := range ports {
				if name != "firstpass" || !strings.HasPrefix(p.(string), "127.0.0.1:") {
					t.Errorf("%s publishes %v; only intake may be reached, from this machine", name, p)
				}
			}
		}
		if needs, ok := service["depends_on"].(map[string]any); ok {
			for other := range needs {
				if services[other] == nil {
					t.Errorf("%s depends on %s, which is not there", name, other)
				}
			}
		}
	}
	build := services["firstpass"].(map[string]any)["build"].(map[string]any)
	if _, err := os.Stat(filepath.Join("compose", build["context"].(string), build["dockerfile"].(string))); err != nil {
		t.Error(err)
	}
	setup := services["setup"].(map[string]any)["command"].([]any)[0].(string)
	for name, kind := range workflows.Attributes() {
		if !strings.Contains(setup, "--name "+name+" --type "+kind.String()) {
			t.Errorf("setup does not register %s as %s", name, kind)
		}
	}
}
