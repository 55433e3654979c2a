package ledger

import (
	"fmt"
	"slices"
	"sync/atomic"
	"testing"
	"time"
)

const many = 50_000

func manyEmployees() []Employee {
	list := make([]Employee, many)
	for i := range list {
		list[i] = employee(fmt.Sprintf("%032x", i*7919), noon)
		list[i].Digest = make([]byte, 32)
		list[i].State = make([]byte, 700)
	}
	return list
}

func put(b *testing.B, l *Ledger, list []Employee) {
	for part := range slices.Chunk(list, 500) {
		ok(b, l.PutEmployees(ctx, part))
	}
}

func BenchmarkPut50000(b *testing.B) {
	list := manyEmployees()
	eachBench(b, func(b *testing.B, l *Ledger) {
		for b.Loop() {
			put(b, l, list)
		}
	})
}

func BenchmarkDigests50000(b *testing.B) {
	list := manyEmployees()
	eachBench(b, func(b *testing.B, l *Ledger) {
		put(b, l, list)
		for b.Loop() {
			n := 0
			ok(b, l.Digests(ctx, "hr", func(Digest) error { n++; return nil }))
			if n != many {
				b.Fatal(n)
			}
		}
	})
}

func BenchmarkTouchFeed50000(b *testing.B) {
	list := manyEmployees()
	eachBench(b, func(b *testing.B, l *Ledger) {
		put(b, l, list)
		var refs []string
		for _, e := range list {
			refs = append(refs, e.Ref)
		}
		for b.Loop() {
			ok(b, l.TouchFeed(ctx, "hr", refs, noon.Add(time.Hour), noon.Add(time.Hour)))
		}
	})
}

// What a webhook costs: one read and one write, from 64 goroutines.
func BenchmarkReadAndPut64(b *testing.B) {
	eachBench(b, func(b *testing.B, l *Ledger) {
		var n atomic.Int64
		b.SetParallelism(32) // times two processors
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				e := employee(fmt.Sprintf("%032x", n.Add(1)), noon)
				e.State = make([]byte, 700)
				if _, _, err := l.Employee(ctx, "hr", e.Ref); err != nil {
					b.Error(err)
				}
				if err := l.PutEmployees(ctx, []Employee{e}); err != nil {
					b.Error(err)
				}
			}
		})
		b.ReportMetric(float64(n.Load())/b.Elapsed().Seconds(), "ops/s")
		b.ReportMetric(float64(n.Load())/float64(l.group.transactions.Load()), "calls/tx")
	})
}

// As above with a delivery marked, which waits for the disk.
func BenchmarkMarkDelivery64(b *testing.B) {
	eachBench(b, func(b *testing.B, l *Ledger) {
		var n atomic.Int64
		b.SetParallelism(32)
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				if err := l.MarkDelivery(ctx, "hr", fmt.Sprint(n.Add(1)), noon); err != nil {
					b.Error(err)
				}
			}
		})
		b.ReportMetric(float64(n.Load())/b.Elapsed().Seconds(), "ops/s")
	})
}
