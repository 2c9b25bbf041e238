package main

import (
	"context"
	"math"
	"slices"
	"sync"

	"github.com/pooltender/pool"
	"github.com/pooltender/pool/pooltest"
)

// oneCall is all that most programs need.
func (s *story) oneCall(ctx context.Context) error {
	n, err := pool.Call(ctx, s.doublers, double(21))
	if err != nil {
		return err
	}
	s.say("Call lends a worker, has it double 21, and takes it back: %d.", n)
	return nil
}

func double(n int) func(context.Context, *Doubler) (int, error) {
	return func(ctx context.Context, d *Doubler) (int, error) { return d.Compute(ctx, n) }
}

func (s *story) fullHouse(ctx context.Context) error {
	leases, err := s.takeThree(ctx)
	if err != nil {
		return err
	}
	s.say("Three clients take a worker each.")
	s.show(s.doublers)

	_, err = s.doublers.TryCheckout(ctx)
	s.say("A fourth, who does not want to wait, is told:")
	s.quote(err)

	s.say("The second client gives %v back.", leases[1].Worker())
	leases[1].Checkin()
	s.show(s.doublers)
	if leases[1], err = s.doublers.TryCheckout(ctx); err != nil {
		return err
	}
	s.say("The fourth tries again and gets that very worker: %v.", leases[1].Worker())
	for _, lease := range leases {
		lease.Checkin()
	}
	return nil
}

// takeThree returns three leases, by slot.
func (s *story) takeThree(ctx context.Context) ([]pool.Lease[*Doubler], error) {
	var leases []pool.Lease[*Doubler]
	for range 3 {
		lease, err := s.doublers.Checkout(ctx)
		if err != nil {
			return nil, err
		}
		leases = append(leases, lease)
	}
	slices.SortFunc(leases, func(a, b pool.Lease[*Doubler]) int { return a.Slot().Index - b.Slot().Index })
	return leases, nil
}

func (s *story) workerDies(ctx context.Context) error {
	leases, err := s.takeThree(ctx)
	if err != nil {
		return err
	}
	lease := leases[0]
	s.say("A client asks %v for more than it can bear. The worker dies;\nthe client lives, and is told:", lease.Worker())
	_, err = lease.Worker().Compute(lease.Context(), math.MaxInt)
	s.quote(err)
	if err := s.doublers.WaitReady(ctx, 3); err != nil {
		return err
	}
	s.say("A replacement is there. Giving the dead one back means nothing: Checkin says %t.", lease.Checkin())
	s.show(s.doublers)
	for _, lease := range leases[1:] {
		lease.Checkin()
	}
	return nil
}

func (s *story) clientLeaves(ctx context.Context) error {
	client, leave := context.WithCancel(ctx)
	defer leave()
	lease, err := s.doublers.Checkout(client)
	if err != nil {
		return err
	}
	leave()
	s.say("The client that holds %v goes away: its context ends. For a while, the grace,\nit may still give the worker back.", lease.Worker())
	s.show(s.doublers)
	if err := s.until(ctx, func(p pool.PoolInfo) bool { return p.Stats.Idle == 3 }); err != nil {
		return err
	}
	s.say("It does not. The pool takes the worker away and replaces it, for the client may\nstill be touching it. Should the client come back, its lease tells it:")
	s.quote(lease.Err())
	s.show(s.doublers)
	return nil
}

func (s *story) burst(ctx context.Context) error {
	const clients = 8
	enough := make(chan struct{})
	var sum int
	var mu sync.Mutex
	var all sync.WaitGroup
	for n := range clients {
		all.Go(func() {
			doubled, err := pool.Call(ctx, s.doublers, func(ctx context.Context, d *Doubler) (int, error) {
				<-enough
				return d.Compute(ctx, n)
			})
			if err == nil {
				mu.Lock()
				defer mu.Unlock()
				sum += doubled
			}
		})
	}
	err := s.until(ctx, func(p pool.PoolInfo) bool { return p.Stats.Leased == 5 && p.Stats.Waiting == 3 })
	s.say("A burst: %d clients at once. The pool starts two more workers,\nand the rest wait their turn.", clients)
	s.show(s.doublers)
	close(enough)
	all.Wait()
	if err != nil {
		return err
	}
	s.say("All are served: twice 0, 1 … %d add up to %d. Two workers are too many now.", clients-1, sum)
	s.show(s.doublers)
	if err := s.until(ctx, func(p pool.PoolInfo) bool { return p.Stats.Vacant == 2 }); err != nil {
		return err
	}
	s.say("Nobody needs five for a while, and the two that were idle longest go:\nthe pool keeps three workers, whichever they are.")
	s.show(s.doublers)
	return nil
}

func (s *story) managerDies(ctx context.Context) error {
	others, err := pool.Start(ctx, s.reg, "others", spec, pool.Options{Size: 2})
	if err != nil {
		return err
	}
	theirs, err := others.Checkout(ctx)
	if err != nil {
		return err
	}
	ours, err := s.doublers.Checkout(ctx)
	if err != nil {
		return err
	}
	pooltest.KillManager(s.doublers, pooltest.AtLocked) // in the middle of a change
	again := func(p pool.PoolInfo) bool { return p.Epoch == 2 && p.Stats.State == pool.StateReady }
	if err := s.until(ctx, again); err != nil {
		return err
	}
	s.say("Beside it stands a second pool, and a client holds a worker of each. Then the\nmanager of the first pool is killed, in the middle of a change. It starts anew:")
	s.show(s.doublers, others)
	s.say("What was lent before is lent no more. Checkin says %t; the lease says:", ours.Checkin())
	s.quote(ours.Err())
	n, err := pool.Call(ctx, s.doublers, double(21))
	if err != nil {
		return err
	}
	s.say("But the handle is as good as before: twice 21 is %d. The second pool has noticed\nnothing: Checkin says %t.", n, theirs.Checkin())
	return nil
}

func (s *story) stop(ctx context.Context) error {
	if err := s.reg.Stop(ctx, "doublers"); err != nil {
		return err
	}
	_, err := s.doublers.Checkout(ctx)
	s.say("The pool is stopped, by name. A client that comes too late is told:")
	s.quote(err)
	doublers, err := pool.Start(ctx, s.reg, "doublers", spec, options)
	if err != nil {
		return err
	}
	s.say("The name is free for another.")
	s.show(doublers)
	return nil
}
