package probe

import (
	"context"
	"sync"
	"time"

	"fairlead/regions"
	"fairlead/regions/health"
)

// Watch checks one target at each interval, beginning now, until ctx ends, and
// calls changed whenever the detector's belief does. Each check may take as
// long as the interval. For more than a few targets use a [Schedule].
func Watch(ctx context.Context, p Prober, interval time.Duration, d *health.Detector, changed func(regions.State, time.Time)) {
	var checks sync.WaitGroup
	defer checks.Wait()
	var mu sync.Mutex
	tick := time.NewTicker(interval)
	defer tick.Stop()
	for {
		checks.Go(func() {
			o, ended := observe(ctx, p, interval)
			if ended {
				return
			}
			mu.Lock()
			defer mu.Unlock()
			before := d.Report().State
			if after := d.Observe(o); after.State != before {
				changed(after.State, o.At)
			}
		})
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}
