package main

import (
	"maps"
	"strings"
	"sync"
	"time"

	"go.temporal.io/server/common/log"
	"go.temporal.io/server/common/metrics"
)

// actionMeter is a metrics handler that keeps one metric only: the server's own
// count of billable actions, by namespace and kind.
type actionMeter struct {
	mu     sync.Mutex
	counts map[string]map[string]int // by namespace, then kind
}

func newActionMeter() *actionMeter {
	return &actionMeter{counts: map[string]map[string]int{}}
}

// Handler returns what the server reports to.
func (m *actionMeter) Handler() metrics.Handler { return meterHandler{meter: m} }

// ByKind returns how many actions a namespace has used since the server
// started, by the server's name for the kind.
func (m *actionMeter) ByKind(namespace string) map[string]int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return maps.Clone(m.counts[namespace])
}

func (m *actionMeter) add(n int64, tags []metrics.Tag) {
	var namespace, kind string
	for _, t := range tags {
		switch t.Key {
		case "namespace":
			namespace = t.Value
		case "action_type":
			kind = t.Value
		}
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.counts[namespace] == nil {
		m.counts[namespace] = map[string]int{}
	}
	m.counts[namespace][kind] += int(n)
}

// meterHandler carries the tags that the server has put on it so far; a later
// tag of the same key wins, since add reads them in order.
type meterHandler struct {
	meter *actionMeter
	tags  []metrics.Tag
}

func (h meterHandler) WithTags(tags ...metrics.Tag) metrics.Handler {
	return meterHandler{meter: h.meter, tags: append(h.tags[:len(h.tags):len(h.tags)], tags...)}
}

func (h meterHandler) Counter(name string) metrics.CounterIface {
	if name != metrics.ActionCounter.Name() {
		return metrics.CounterFunc(func(int64, ...metrics.Tag) {})
	}
	return metrics.CounterFunc(func(n int64, tags ...metrics.Tag) {
		h.meter.add(n, append(h.tags[:len(h.tags):len(h.tags)], tags...))
	})
}

func (h meterHandler) Gauge(string) metrics.GaugeIface {
	return metrics.GaugeFunc(func(float64, ...metrics.Tag) {})
}

func (h meterHandler) Timer(string) metrics.TimerIface {
	return metrics.TimerFunc(func(time.Duration, ...metrics.Tag) {})
}

func (h meterHandler) Histogram(string, metrics.MetricUnit) metrics.HistogramIface {
	return metrics.HistogramFunc(func(int64, ...metrics.Tag) {})
}

func (h meterHandler) StartBatch(string) metrics.BatchHandler { return meterBatch{h} }
func (h meterHandler) Stop(log.Logger)                        {}

type meterBatch struct{ meterHandler }

func (meterBatch) Close() error { return nil }

// isQuery reports whether an action of this kind was somebody looking on, which
// no journey causes by itself.
func isQuery(kind string) bool { return strings.HasSuffix(kind, "QueryWorkflow") }
