package observe

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
)

// BarePromote promotes the standby at dsn with nothing but pg_promote and
// returns how long it took until the standby took its first write: the floor
// under every switchover's gap on this machine. pg_promote's own answer comes
// in steps of 100 ms and is not waited for.
func BarePromote(ctx context.Context, dsn string) (time.Duration, error) {
	promoter, err := pgx.Connect(ctx, dsn)
	if err != nil {
		return 0, fmt.Errorf("bare promotion: %w", err)
	}
	defer promoter.Close(ctx)
	writer, err := pgx.Connect(ctx, dsn)
	if err != nil {
		return 0, fmt.Errorf("bare promotion: %w", err)
	}
	defer writer.Close(ctx)

	began := time.Now()
	if _, err := promoter.Exec(ctx, "SELECT pg_promote(false)"); err != nil {
		return 0, fmt.Errorf("bare promotion: %w", err)
	}
	for {
		_, err := writer.Exec(ctx, "CREATE TABLE promoted ()") // anything that is refused while in recovery
		if err == nil {
			return time.Since(began), nil
		}
		if time.Since(began) > 30*time.Second || ctx.Err() != nil {
			return 0, fmt.Errorf("bare promotion: no write after %v: %w", time.Since(began).Round(time.Second), err)
		}
		time.Sleep(2 * time.Millisecond)
	}
}
