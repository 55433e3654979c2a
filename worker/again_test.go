package worker_test

import (
	"flag"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var livesAgain = flag.Int("lives.again", 40, "how many lives TestLivesAgain plays twice")

// TestLivesAgain: the same seed makes the same life.
func TestLivesAgain(t *testing.T) {
	k, err := newKeys(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	bad := 0
	for i := range *livesAgain {
		l := aLife.Example(int(*livesSeed) + i)
		l.Seed = *livesSeed + uint64(i)
		a, b := play(l, k), play(l, k)
		one, _, _ := strings.Cut(a.account, "\nusers ")
		two, _, _ := strings.Cut(b.account, "\nusers ")
		if d := cmp.Diff(strings.Split(one, "\n"), strings.Split(two, "\n")); d != "" {
			bad++
			if bad < 6 {
				t.Errorf("%s\n%s", l, d)
			}
		}
	}
	t.Logf("%d differ of %d", bad, *livesAgain)
}
