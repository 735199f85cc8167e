package daemon

import (
	"context"
	"log/slog"
	"time"

	"fairlead/cmd/internal/identity"
)

// renewalEvery is how often the certificate's files are looked at. Alarms come
// a month ahead: there is no hurry.
const renewalEvery = 10 * time.Second

// renewals takes up a renewed certificate while the node, or the agent, runs.
// A problem is logged when it was there twice in a row, once: what was seen
// while the files were being written is none.
func renewals(id *identity.Identity, every time.Duration, log *slog.Logger) func(context.Context) error {
	return forever(func(ctx context.Context) {
		ticker := time.NewTicker(every)
		defer ticker.Stop()
		var last, told string
		for {
			select {
			case <-ctx.Done():
				return
			case <-ticker.C:
			}
			renewed, err := id.Refresh()
			if err == nil {
				last, told = "", ""
				if renewed {
					log.Info("renewed certificate in use", "expires", id.Expires().UTC())
				}
				continue
			}
			if s := err.Error(); s == last && s != told {
				log.Warn("renewed certificate not used; the node goes on with the one it has", "problem", s)
				told = s
			}
			last = err.Error()
		}
	})
}
