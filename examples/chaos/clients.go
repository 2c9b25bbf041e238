package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync/atomic"
	"time"

	"github.com/pooltender/pool"
)

// client is one that visits pools, each time in another temper.
type client struct {
	*storm
	r      *rand.Rand
	cancel atomic.Pointer[context.CancelFunc] // of the visit under way
	due    atomic.Int64                       // by when that returns at the latest, in Unix nanoseconds; 0: there is none
	temper atomic.Pointer[string]
}

// visits is a temper of clients.
type visits struct {
	temper string
	often  int
	pay    func(c *client, ctx context.Context, v *visit) error
}

// visit is one call of a client on a pool.
type visit struct {
	house  *house
	plain  *pool.Pool[*worker]
	pool   *pool.Pool[*worker] // on terms of the client's own
	stops  int64               // of the house, when the visit began
	allows []error             // that the terms make possible
}

const (
	patience  = 10 * time.Second // of the most patient client
	bearing   = 10 * time.Second // how much later it has to be back
	thinkTime = 16 * ms          // at most, from one visit to the next
)

// live visits pools until the gust is over.
func (c *client) live(ctx context.Context) {
	for ctx.Err() == nil {
		t := drawn(c.r, tempers, func(t visits) int { return t.often })
		c.pay(t)
		_ = pause(ctx, time.Duration(c.r.Int64N(int64(thinkTime))))
	}
}

// drawn is one of several, each as often as it is to be.
func drawn[T any](r *rand.Rand, of []T, often func(T) int) T {
	sum := 0
	for _, one := range of {
		sum += often(one)
	}
	at := r.IntN(sum)
	for _, one := range of {
		if at -= often(one); at < 0 {
			return one
		}
	}
	panic("not reached: the sum is of all")
}

func (c *client) pay(t visits) {
	v := c.arrive()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if t.temper == "hasty" || c.r.IntN(8) == 0 {
		ctx, cancel = context.WithTimeout(ctx, time.Duration(c.r.Int64N(int64(4*ms))))
		defer cancel()
	}
	deadline, _ := ctx.Deadline()
	c.temper.Store(&t.temper)
	c.cancel.Store(&cancel)
	c.due.Store(deadline.Add(bearing).UnixNano())
	defer c.due.Store(0)
	err := t.pay(c, ctx, v)
	c.operations.add(t.temper)
	c.outcomes.add(c.judge(ctx, v, t.temper, err))
}

// arrive chooses a pool and the terms.
func (c *client) arrive() *visit {
	h := c.houses[c.r.IntN(len(c.houses))]
	v := &visit{house: h, stops: h.stops.Load(), allows: []error{pool.ErrUnavailable}}
	v.plain = h.pool()
	v.pool = v.plain
	if h.options.MaxWaiting > 0 {
		v.allows = append(v.allows, pool.ErrOverloaded)
	}
	var terms pool.Terms
	if c.r.IntN(2) == 0 {
		terms.Priority = pool.Priority(c.r.IntN(4) - 1)
	}
	if c.r.IntN(8) == 0 || h.kind.name == "keyed" {
		terms.Key = fmt.Sprint(c.r.IntN(6))
	}
	if c.r.IntN(8) == 0 {
		terms.MaxWait = time.Duration(1 + c.r.Int64N(int64(10*ms)))
		v.allows = append(v.allows, pool.ErrOverloaded)
	}
	if terms != (pool.Terms{}) {
		v.pool = v.plain.With(terms)
	}
	return v
}

// judge says how a visit ended, and reports an error that nobody was told to
// expect.
func (c *client) judge(ctx context.Context, v *visit, temper string, err error) string {
	var lost *pool.LeaseError
	var blown *pool.PanicError
	switch {
	case err == nil:
		return "served"
	case errors.As(err, &lost):
		return "served, lease lost: " + string(lost.Reason)
	case errors.Is(err, errMischief), errors.As(err, &blown) && errors.Is(blown, errMischief):
		return "served, failed as told"
	case errors.Is(err, errNoAnswer):
		return "served, its process does not answer"
	case errors.Is(err, context.DeadlineExceeded) && ctx.Err() != nil:
		return "gave up: deadline"
	case errors.Is(err, context.Canceled) && ctx.Err() != nil:
		return "gave up: cancelled"
	case errors.Is(err, pool.ErrStopped) && v.house.hasStopped(v.stops):
		return "refused: stopped"
	}
	for _, allowed := range v.allows {
		if errors.Is(err, allowed) {
			return "refused: " + allowed.Error()
		}
	}
	c.checker.violated("a %s client of %s was told %v", temper, v.house.name, err)
	return "unexpected"
}

// hasStopped reports whether the pool was stopped or stopping since stops was read.
func (h *house) hasStopped(stops int64) bool { return stops%2 == 1 || h.stops.Load() != stops }

// overdue reports the visit that should have returned by now.
func (c *client) overdue(now time.Time) (string, bool) {
	due := c.due.Load()
	if due == 0 || now.UnixNano() < due {
		return "", false
	}
	return *c.temper.Load(), true
}
