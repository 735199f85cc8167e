package postgres

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
	"golang.org/x/sync/errgroup"

	"fairlead/providers"
)

// maxKeys bounds what this process remembers.
const maxKeys = 1000

// observeQuiesce asks this process: a checkpoint leaves no trace in the world
// that would tell who wanted it.
func observeQuiesce(_ context.Context, m move) (providers.Result, error) {
	m.p.mu.Lock()
	defer m.p.mu.Unlock()
	if detail, ok := m.p.keys[m.Key]; ok && m.Key != "" {
		return result(providers.Done, nil, "%s", detail), nil
	}
	return result(providers.NotDone, nil, "no checkpoint was asked for under this key by this node; asking again does no harm"), nil
}

func actQuiesce(ctx context.Context, m move) (providers.Result, error) {
	var g errgroup.Group
	for _, at := range []*member{m.from, m.to} {
		g.Go(func() error {
			return m.change(ctx, at, func(conn *pgx.Conn) error {
				_, err := conn.Exec(ctx, "CHECKPOINT")
				return err
			})
		})
		g.Go(func() error {
			// Opens the connection that the seconds which count will use;
			// that an agent does not answer is the fence's to say.
			_, _ = m.look(ctx, at, true)
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		return providers.Result{}, fmt.Errorf("write a checkpoint: %w", err)
	}
	detail := fmt.Sprintf("checkpoint written on %s and %s", m.from.Region, m.to.Region)
	m.p.mu.Lock()
	defer m.p.mu.Unlock()
	if len(m.p.keys) >= maxKeys {
		clear(m.p.keys) // at worst somebody's checkpoint is written twice
	}
	m.p.keys[m.Key] = detail
	return result(providers.Done, nil, "%s", detail), nil
}
