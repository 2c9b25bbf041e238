package pool

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"
)

// Registry maps names to pools and is their top-level supervisor, one for one:
// each pool has a keeper of its own that brings it back when its manager or
// worker supervisor dies, and the trouble of one never reaches another. Make it
// with [NewRegistry]. All methods may be called by several goroutines at once.
//
// A registry is used once: after Shutdown or Close, Start returns ErrStopped.
type Registry struct {
	base   context.Context // values only: nobody cancels the workers of a pool but the pool
	drain  time.Duration
	logger *slog.Logger
	events *hub

	mu     sync.Mutex
	pools  map[string]*core // guarded by mu
	closed bool             // guarded by mu
	last   []*core          // guarded by mu; the pools there were when it closed
	logs   bool             // guarded by mu; the log has subscribed

	ending bool          // guarded by mu; a Shutdown has stopped all pools and sees to the rest
	ended  chan struct{} // closed when it has
	report error         // constant then
}

// RegistryOptions are what a registry can be told. The zero value is good.
type RegistryOptions struct {
	// BaseContext gives its values, not its end, to the context of every worker.
	BaseContext context.Context
	// Logger is told of crashes, restarts and changes of state. Nil: nothing is
	// logged.
	Logger *slog.Logger
	// DrainTimeout is how long Serve lets leases run out. 0: 10 s; negative: not
	// at all.
	DrainTimeout time.Duration
}

// NewRegistry makes an empty registry. It starts no goroutine. Of several
// options the last non-zero value of a field counts.
func NewRegistry(options ...RegistryOptions) *Registry {
	r := &Registry{
		base:   context.Background(),
		drain:  10 * time.Second,
		events: newHub(),
		pools:  make(map[string]*core),
		ended:  make(chan struct{}),
	}
	for _, o := range options {
		if o.BaseContext != nil {
			r.base = context.WithoutCancel(o.BaseContext)
		}
		if o.Logger != nil {
			r.logger = o.Logger
		}
		if o.DrainTimeout != 0 {
			r.drain = max(0, o.DrainTimeout)
		}
	}
	return r
}

// Pool returns the pool of that name, or ErrNotFound. Use [Lookup] to lend its
// workers.
func (r *Registry) Pool(name string) (Control, error) {
	c, err := r.find(name)
	if err != nil {
		return nil, err
	}
	return c.control, nil
}

// Pools iterates over the pools there are when the loop begins, by name.
func (r *Registry) Pools() iter.Seq[Control] {
	return func(yield func(Control) bool) {
		for _, c := range r.sorted() {
			if !yield(c.control) {
				return
			}
		}
	}
}

func (r *Registry) sorted() []*core {
	r.mu.Lock()
	defer r.mu.Unlock()
	var all []*core
	for _, name := range slices.Sorted(maps.Keys(r.pools)) {
		all = append(all, r.pools[name])
	}
	return all
}

// Stop stops the pool of that name, whatever of it has restarted; see
// [Control]. It returns ErrNotFound if there is none. When it returns the name
// is free.
func (r *Registry) Stop(ctx context.Context, name string) error {
	if ctx == nil {
		return errNilContext
	}
	c, err := r.find(name)
	if err != nil {
		return err
	}
	return c.stop(ctx)
}

// Serve waits until ctx is done and then shuts the registry down, letting
// leases run out for RegistryOptions.DrainTimeout. It returns nil or what
// Shutdown returns, and so fits errgroup, suture and oklog/run.
func (r *Registry) Serve(ctx context.Context) error {
	if ctx == nil {
		return errNilContext
	}
	<-ctx.Done()
	drain, cancel := context.WithTimeout(context.Background(), r.drain)
	defer cancel()
	return r.Shutdown(drain)
}

// receiverPatience is how long the end of a registry waits for event receivers.
const receiverPatience = time.Second

// Shutdown stops all pools at once, each as its Stop does with ctx, then
// delivers the last events. It returns the [*StopError] of each pool that left
// zombies, joined, and one for event receivers that do not return within a
// second. From its
// beginning Start returns ErrStopped. Several Shutdowns join. An event receiver
// that calls it waits for itself, and is reported.
func (r *Registry) Shutdown(ctx context.Context) error {
	if ctx == nil {
		return errNilContext
	}
	var stops sync.WaitGroup
	all := r.shut()
	errs := make([]error, len(all))
	for i, c := range all {
		stops.Go(func() { errs[i] = c.stop(ctx) })
	}
	stops.Wait()

	if r.isLast() {
		patience, cancel := context.WithTimeout(context.Background(), receiverPatience)
		defer cancel()
		if stuck := r.events.close(patience); stuck > 0 {
			errs = append(errs, &StopError{Receivers: stuck})
		}
		r.report = errors.Join(errs...)
		close(r.ended)
	}
	<-r.ended
	return r.report
}

// isLast reports true to one Shutdown, which does what is to be done last.
func (r *Registry) isLast() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	was := r.ending
	r.ending = true
	return !was
}

// shut closes the registry to newcomers and returns the pools to stop: to every
// Shutdown the same, or one that comes late would miss the reports of those
// that have stopped already.
func (r *Registry) shut() []*core {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.closed {
		r.closed, r.last = true, slices.Collect(maps.Values(r.pools))
	}
	return r.last
}

// Close is Shutdown without draining: leases are revoked at once, and it takes
// Options.StopTimeout and a second at most. It makes a registry an [io.Closer].
func (r *Registry) Close() error {
	now, cancel := context.WithCancel(context.Background())
	cancel()
	return r.Shutdown(now)
}

// Subscribe calls fn with every event of every pool of the registry from now
// on, one at a time, in order, on a goroutine of its own. A slow, blocking or
// panicking fn harms nobody: events it is too slow for are dropped, and an
// EventDropped says how many are missing once it is 4096 behind; a panic is logged, to RegistryOptions.Logger or
// slog.Default. The events of leases are produced only while
// somebody has subscribed, and then cost a checkout two clock readings.
//
// unsubscribe may be called more than once, and from within fn; it does not
// wait for a call of fn in progress.
func (r *Registry) Subscribe(fn func(Event)) (unsubscribe func()) {
	unsubscribe = r.events.subscribe(fn, true)
	for _, c := range r.sorted() { // leases begin and end under the lock while somebody listens
		c.must(c.settle)
	}
	return unsubscribe
}

// Inspect returns everything there is in the registry: pools, slots, leases,
// waiters. Each pool is looked at in one critical section of its own.
func (r *Registry) Inspect() Info {
	info := Info{Time: time.Now(), Pools: []PoolInfo{}}
	for _, c := range r.sorted() {
		info.Pools = append(info.Pools, c.inspect())
	}
	return info
}

func (r *Registry) find(name string) (*core, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if c := r.pools[name]; c != nil {
		return c, nil
	}
	return nil, fmt.Errorf("%w: %q", ErrNotFound, name)
}

// enter makes the pool resolvable and starts its keeper.
func (r *Registry) enter(c *core) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return fmt.Errorf("pool: start of %q: registry is %w", c.name, &prefixless{ErrStopped})
	}
	if r.pools[c.name] != nil {
		return fmt.Errorf("%w: %q", ErrExists, c.name)
	}
	if r.logger != nil && !r.logs {
		r.logs = true
		r.events.logTo(r.logger)
	}
	r.pools[c.name] = c
	go c.keepAlive()
	return nil
}

// forget frees the name.
func (r *Registry) forget(c *core) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.pools[c.name] == c {
		delete(r.pools, c.name)
	}
}
