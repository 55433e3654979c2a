package main

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"go.temporal.io/api/workflowservice/v1"

	"firstpass.internal/internal/jml"
	"firstpass.internal/workflows"
)

// TestBatch starts a cohort of two thousand with one command, which is killed
// with kill -9 half way and run again: everybody has one joiner, and each row
// that can't be started is named once. What a second takes is printed.
func TestBatch(t *testing.T) {
	const people = 2000
	folder := t.TempDir()
	w := newWorld(t, worldOptions{OwnTemporal: true, People: []employee{}, ExtraSources: fmt.Sprintf(`
  - name: cohort
    use: csv
    file: {every: 23h, directory: %q, pattern: "*.csv"}
    sites: {Copenhagen: {zone: Europe/Copenhagen}}
`, folder)})
	bad := map[int]string{ // by row, from 0
		3:    `,Active,2027-03-01,No,Number,Copenhagen,no.number@example.org`,
		700:  `b700,Active,next Monday,No,Date,Copenhagen,no.date@example.org`,
		701:  `b701,Active,2027-03-01,No,Place,Atlantis,no.place@example.org`,
		1999: `b1999,Perhaps,2027-03-01,No,Status,Copenhagen,no.status@example.org`,
	}
	far := time.Now().AddDate(0, 2, 0).Format(time.DateOnly)
	var csv strings.Builder
	csv.WriteString("WorkerID,WorkerStatus,HireDate,FirstName,LastName,Location,PersonalEmail\n")
	for n := range people {
		row, ok := bad[n]
		if !ok {
			row = fmt.Sprintf("b%04d,Active,%s,Given%d,Family%d,Copenhagen,batch.%d@example.org", n, far, n, n, n)
		}
		csv.WriteString(row + "\n")
	}
	file := putFile(t, filepath.Join(t.TempDir(), "cohort.csv"), csv.String())

	began := time.Now()
	first := w.batch(file)
	w.must(nil, first.Start())
	started := 0
	w.Eventually(3*time.Minute, "half of them have started", func() error {
		if started = w.joiners(); started < people/2 {
			return fmt.Errorf("%d joiners", started)
		}
		return nil
	})
	w.must(nil, first.Process.Kill())
	_ = first.Wait()
	took := time.Since(began)
	t.Logf("killed after %.1f s and %d rows: %.0f rows/s", took.Seconds(), started, float64(started)/took.Seconds())

	again := w.batch(file)
	var out, says bytes.Buffer
	again.Stdout, again.Stderr = &out, &says
	began = time.Now()
	err := again.Run()
	took = time.Since(began)
	if again.ProcessState.ExitCode() != exitFailed {
		t.Fatalf("run again: %v\n%s%s", err, out.String(), says.String())
	}
	var read, told, known, passed, refused int
	summary := regexp.MustCompile(`(?m)^\d+ read: .*$`).FindString(out.String())
	if _, err := fmt.Sscanf(summary, "%d read: %d started or told, %d known already, %d passed over, %d refused", &read, &told, &known, &passed, &refused); err != nil {
		t.Fatalf("summary %q: %v", summary, err)
	}
	t.Logf("run again, %.1f s, %d of %d were left: %.0f rows/s; %s", took.Seconds(), told, people, float64(told)/took.Seconds(), summary)
	if read != people || refused != len(bad) || told+known != people-len(bad) || told == 0 || known == 0 {
		t.Errorf("%s", summary)
	}
	lines := regexp.MustCompile(`(?m)^line (\d+): .+$`).FindAllStringSubmatch(out.String(), -1)
	if len(lines) != len(bad) {
		t.Errorf("%d refusals:\n%s", len(lines), out.String())
	}
	for _, l := range lines {
		var n int
		if _, err := fmt.Sscan(l[1], &n); err != nil || bad[n-2] == "" { // the first line names the columns
			t.Errorf("refused %s", l[0])
		}
	}
	for _, secret := range []string{"example.org", "next Monday", "Atlantis"} {
		if strings.Contains(out.String()+says.String(), secret) {
			t.Errorf("%q, which stands in the file, is repeated", secret)
		}
	}
	w.Eventually(time.Minute, "everybody has a joiner", func() error {
		if n := w.joiners(); n != people-len(bad) {
			return fmt.Errorf("%d runs", n)
		}
		return nil
	})
	ids := slices.DeleteFunc(w.WorkflowIDs(), func(id string) bool { return workflows.KindOf(id) == "" })
	slices.Sort(ids)
	if all := len(ids); len(slices.Compact(ids)) != all {
		t.Errorf("%d joiners of %d employees", all, len(slices.Compact(ids)))
	}

	began = time.Now()
	third, _, code := w.Command("start", "--source", "cohort", "--file", file)
	if code != exitFailed || !strings.Contains(third, fmt.Sprintf("0 started or told, %d known already", people-len(bad))) {
		t.Errorf("a third time: exit status %d\n%s", code, third)
	}
	t.Logf("a third time, nothing to do: %.1f s", time.Since(began).Seconds())
}

// batch is the command that starts a cohort.
func (w *testWorld) batch(file string) *exec.Cmd {
	w.t.Helper()
	cmd := exec.CommandContext(w.t.Context(), w.cfg.Firstpass, "start", "--source", "cohort", "--file", file, "--config", w.Settings())
	cmd.Env = plainEnvironment(os.Environ())
	return cmd
}

// joiners counts the runs of joiners.
func (w *testWorld) joiners() int {
	w.t.Helper()
	n, err := w.Client.CountWorkflow(w.t.Context(), &workflowservice.CountWorkflowExecutionsRequest{Query: "WorkflowType = '" + workflows.Type(jml.KindJoiner) + "'"})
	w.must(nil, err)
	return int(n.GetCount())
}
