package pool_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"time"

	"github.com/pooltender/pool"
)

// Who is important is served first, whoever came first.
func ExampleTerms_priority() {
	ctx := context.Background()
	reg := pool.NewRegistry()
	defer reg.Close()
	p, err := pool.Start(ctx, reg, "doublers", doublers, pool.Options{Size: 1})
	if err != nil {
		fmt.Println(err)
		return
	}
	lease, err := p.Checkout(ctx) // the only worker is out: all others wait
	if err != nil {
		fmt.Println(err)
		return
	}
	var clients sync.WaitGroup
	for i, priority := range []pool.Priority{pool.PriorityLow, pool.PriorityNormal, pool.PriorityCritical} {
		clients.Go(func() {
			_ = p.With(pool.Terms{Priority: priority}).Do(ctx, func(context.Context, *Doubler) error {
				fmt.Println(priority)
				return nil
			})
		})
		for p.Stats().Waiting <= i { // until it stands in line
			runtime.Gosched()
		}
	}
	lease.Checkin()
	clients.Wait()
	// Output:
	// critical
	// normal
	// low
}

// Notes is a worker that remembers.
type Notes struct{ lines []string }

// A worker that remembers is worth waiting for: the same key has the same one.
func ExampleTerms_key() {
	ctx := context.Background()
	reg := pool.NewRegistry()
	defer reg.Close()
	p, err := pool.Start(ctx, reg, "notes", pool.Spec[*Notes]{
		Start: func(context.Context) (*Notes, error) { return new(Notes), nil },
	}, pool.Options{Size: 8})
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, line := range []string{"one", "two", "three"} {
		session := p.With(pool.Terms{Key: "session 4711"})
		err := session.Do(ctx, func(_ context.Context, n *Notes) error {
			n.lines = append(n.lines, line)
			fmt.Println(n.lines)
			return nil
		})
		if err != nil {
			fmt.Println(err)
		}
	}
	// Output:
	// [one]
	// [one two]
	// [one two three]
}

func ExamplePool_Each() {
	ctx := context.Background()
	reg := pool.NewRegistry()
	defer reg.Close()
	p, err := pool.Start(ctx, reg, "doublers", doublers, pool.Options{Size: 3})
	if err != nil {
		fmt.Println(err)
		return
	}
	warmed := 0
	err = p.Each(ctx, func(ctx context.Context, d *Doubler) error {
		warmed++ // one call at a time
		_, err := d.Compute(ctx, 1)
		return err
	})
	fmt.Println(warmed, "are warm:", err)
	// Output: 3 are warm: <nil>
}

// All workers hang. Whoever comes is told within three intervals, instead of
// waiting as long as its context lets it.
func ExampleOptions_queueTarget() {
	ctx := context.Background()
	reg := pool.NewRegistry()
	defer reg.Close()
	p, err := pool.Start(ctx, reg, "doublers", doublers, pool.Options{
		Size:          1,
		QueueTarget:   2 * time.Millisecond,
		QueueInterval: 40 * time.Millisecond,
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	lease, err := p.Checkout(ctx) // and does not come back
	if err != nil {
		fmt.Println(err)
		return
	}
	defer lease.Checkin()
	_, err = p.Checkout(ctx)
	fmt.Println(errors.Is(err, pool.ErrOverloaded))
	// Output: true
}
