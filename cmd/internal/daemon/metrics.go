package daemon

import (
	"context"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"fairlead/cmd/internal/version"
	"fairlead/regions"
)

// metrics are read from what the node knows when somebody asks for them;
// nothing is counted twice.
func (n *Node) metrics() http.Handler {
	registry := prometheus.NewRegistry()
	registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}), collector{n})
	return promhttp.HandlerFor(registry, promhttp.HandlerOpts{})
}

// collector implements [prometheus.Collector].
type collector struct{ *Node }

var (
	buildDesc     = prometheus.NewDesc("fairlead_build_info", "Always 1; the version is in the label.", []string{"version"}, nil)
	generation    = prometheus.NewDesc("fairlead_generation", "Generation of the decided state this node answers by.", nil, nil)
	storeDesc     = prometheus.NewDesc("fairlead_store_reachable", "1 if decisions can be made, else 0.", nil, nil)
	targetDesc    = prometheus.NewDesc("fairlead_target_up", "1 if a target is steered to by its verdict, else 0.", []string{"target", "region"}, nil)
	regionDesc    = prometheus.NewDesc("fairlead_region_out", "1 if a region is out of answers, else 0.", []string{"region"}, nil)
	alarmsDesc    = prometheus.NewDesc("fairlead_alarms", "Alarms now, by severity.", []string{"severity"}, nil)
	packetsDesc   = prometheus.NewDesc("fairlead_dns_queries_total", "DNS queries by transport.", []string{"transport"}, nil)
	answersDesc   = prometheus.NewDesc("fairlead_dns_answers_total", "DNS answers by status.", []string{"status"}, nil)
	droppedDesc   = prometheus.NewDesc("fairlead_dns_dropped_total", "Packets that deserved no answer.", nil, nil)
	truncatedDesc = prometheus.NewDesc("fairlead_dns_truncated_total", "Answers that did not fit their datagram.", nil, nil)
	expiryDesc    = prometheus.NewDesc("fairlead_certificate_expiry_seconds", "Seconds until this node's certificate expires.", nil, nil)
)

// Describe implements [prometheus.Collector].
func (c collector) Describe(out chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{buildDesc, generation, storeDesc, targetDesc, regionDesc, alarmsDesc, packetsDesc, answersDesc, droppedDesc, truncatedDesc, expiryDesc} {
		out <- d
	}
}

// Collect implements [prometheus.Collector].
func (c collector) Collect(out chan<- prometheus.Metric) {
	gauge := func(d *prometheus.Desc, v float64, labels ...string) {
		out <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
	}
	count := func(d *prometheus.Desc, v uint64, labels ...string) {
		out <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, float64(v), labels...)
	}
	view := c.judge.View()
	gauge(buildDesc, 1, version.String())
	gauge(storeDesc, truth(c.store.Status().Reachable))
	gauge(generation, float64(c.publisher.Status().Generation))
	gauge(expiryDesc, time.Until(c.id.Expires()).Seconds())
	for id, v := range view.Verdicts {
		gauge(targetDesc, truth(v.Effective.Serves()), string(id), string(v.Region))
	}
	for _, r := range view.Plan.Regions {
		gauge(regionDesc, truth(r.Effective == regions.Down), string(r.Region))
	}
	bySeverity := map[regions.Severity]int{regions.Warning: 0, regions.Critical: 0}
	if v, err := (picture{c.Node}).View(context.Background()); err == nil {
		for _, a := range v.Alarms {
			bySeverity[a.Severity]++
		}
	}
	for s, n := range bySeverity {
		gauge(alarmsDesc, float64(n), string(s))
	}
	if c.dns != nil {
		k := c.dns.Counters()
		count(packetsDesc, k.Datagrams, "udp")
		count(packetsDesc, k.Streamed, "tcp")
		count(droppedDesc, k.Dropped)
		count(truncatedDesc, k.Truncated)
		for status, n := range k.Answers {
			count(answersDesc, n, status)
		}
	}
}

func truth(b bool) float64 {
	if b {
		return 1
	}
	return 0
}
