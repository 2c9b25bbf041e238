package pool_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"regexp"
	"runtime/pprof"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/pooltender/pool"
	"github.com/pooltender/pool/pooltest"
)

// stacks returns those of the live leases, by slot.
func stacks(p pool.Control) (all []string) {
	for _, s := range p.Inspect().Slots {
		if s.Lease != nil {
			all = append(all, s.Lease.Stack)
		}
	}
	return all
}

// profiled counts the leases in the profile that were checked out by a function
// of these tests. The profile is that of the process, and other tests run at the
// same time.
func profiled(t *testing.T, caller string) (n int) {
	t.Helper()
	var b bytes.Buffer
	require.NoError(t, pprof.Lookup("github.com/pooltender/pool.leases").WriteTo(&b, 1))
	record := regexp.MustCompile(`(\d+) @ .*\n#\t\S+\tgithub.com/pooltender/pool_test\.` + caller + `\+`)
	for _, found := range record.FindAllStringSubmatch(b.String(), -1) {
		var count int
		_, err := fmt.Sscan(found[1], &count)
		require.NoError(t, err)
		n += count
	}
	return n
}

// The functions that check out have names that can be looked for.

//go:noinline
func checksOut(p fakes, look func()) error {
	lease, err := p.Checkout(context.Background())
	look()
	lease.Checkin()
	return err
}

//go:noinline
func triesToCheckOut(p fakes, look func()) error {
	lease, err := p.TryCheckout(context.Background())
	look()
	lease.Checkin()
	return err
}

//go:noinline
func doesIt(p fakes, look func()) error {
	return p.Do(context.Background(), func(context.Context, *pooltest.Worker) error { look(); return nil })
}

//go:noinline
func callsIt(p fakes, look func()) error {
	_, err := pool.Call(context.Background(), p, func(context.Context, *pooltest.Worker) (int, error) { look(); return 0, nil })
	return err
}

//go:noinline
func handsOn(p fakes, look func()) error {
	lease, err := p.Checkout(context.Background())
	if err != nil {
		return err
	}
	defer lease.Checkin()
	next, err := lease.Transfer(context.Background())
	look()
	next.Checkin()
	return err
}

// The stack of a traced lease, and its record in the profile, begin at whoever
// has called this package.
func TestTheStackOfATracedLeaseBeginsAtItsCaller(t *testing.T) {
	inBubble(t, func(t *testing.T, reg *pool.Registry, b *pooltest.Backend) {
		p := start(t, reg, b, pool.Options{Size: 1, TraceLeases: 1})
		for name, visit := range map[string]func(fakes, func()) error{
			"checksOut": checksOut, "triesToCheckOut": triesToCheckOut, "doesIt": doesIt, "callsIt": callsIt, "handsOn": handsOn,
		} {
			require.NoError(t, visit(p, func() {
				require.Len(t, stacks(p), 1)
				lines := strings.Split(stacks(p)[0], "\n")
				require.Equal(t, "github.com/pooltender/pool_test."+name, lines[0])
				require.Regexp(t, `^\t/\S+/trace_stack_test.go:\d+$`, lines[1])
				require.Equal(t, "github.com/pooltender/pool_test.TestTheStackOfATracedLeaseBeginsAtItsCaller.func1", lines[2])
				require.Equal(t, 1, profiled(t, name), name)
			}), name)
			require.Zero(t, profiled(t, name), name)
			settle(t, p)
		}
	})
}

//go:noinline
func checksOutUntilTheEnd(t *testing.T, p fakes) pool.Lease[*pooltest.Worker] {
	lease, err := p.Checkout(t.Context())
	require.NoError(t, err)
	return lease
}

func TestALeaseThatHasEndedLeavesTheProfile(t *testing.T) {
	inBubble(t, func(t *testing.T, reg *pool.Registry, b *pooltest.Backend) {
		b.Passive = true
		for name, finish := range finishes {
			p := start(t, reg, b, pool.Options{Size: 1, TraceLeases: 1})
			for range 3 {
				require.NoError(t, p.WaitReady(t.Context(), 1))
				lease := checksOutUntilTheEnd(t, p)
				require.Equal(t, 1, profiled(t, "checksOutUntilTheEnd"), name)
				finish(p, lease)
				settle(t)
				require.Zero(t, profiled(t, "checksOutUntilTheEnd"), name)
				if name == "stopped" {
					break
				}
			}
		}
	})
}

// A checkout that fails is none of those counted.
func TestEveryNthCheckoutIsTraced(t *testing.T) {
	for _, n := range []int{1, 2, 3, 7} {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			inBubble(t, func(t *testing.T, reg *pool.Registry, b *pooltest.Backend) {
				b.NoReset = true // without tracing such a pool lends without its lock
				p := start(t, reg, b, pool.Options{Size: 1, TraceLeases: n})
				for i := 1; i <= 4*n; i++ {
					lease := take(t, t.Context(), p)
					require.Equal(t, i%n == 0, stacks(p)[0] != "", "checkout %d", i)
					_, err := p.TryCheckout(t.Context())
					require.ErrorIs(t, err, pool.ErrFull)
					if i%2 == 0 { // a client that has waited
						asked := ask(t.Context(), p)
						require.True(t, lease.Checkin())
						lease = lentTo(t, asked)
						i++
						require.Equal(t, i%n == 0, stacks(p)[0] != "", "checkout %d", i)
					}
					require.True(t, lease.Checkin())
					settle(t, p)
				}
			})
		})
	}
}

// What is known of a lease in JSON has the stack only where there is one.
func TestTheStackOfALeaseInJSON(t *testing.T) {
	inBubble(t, func(t *testing.T, reg *pool.Registry, b *pooltest.Backend) {
		for off, text := range map[int]string{
			0: `{"owner":"","age":0,"ended":false}`, -1: `{"owner":"","age":0,"ended":false}`,
			1: `{"owner":"","age":0,"ended":false,"stack":"github.com/pooltender/pool_test.take`,
		} {
			p := start(t, reg, b, pool.Options{Size: 1, TraceLeases: off})
			lease := take(t, t.Context(), p)
			written, err := json.Marshal(p.Inspect().Slots[0].Lease)
			require.NoError(t, err)
			require.True(t, strings.HasPrefix(string(written), text), "%s", written)
			require.True(t, lease.Checkin())
		}
	})
}

// When a lease is overdue: its stack is told where it is traced, and its end.
func TestTheEndOfAnOverdueLeaseIsTold(t *testing.T) {
	for name, finish := range finishes {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, reg *pool.Registry, b *pooltest.Backend) {
				b.Passive = true
				events := observe(reg)
				p := start(t, reg, b, pool.Options{Size: 1, WarnHold: time.Second, TraceLeases: 2})
				owned := p.With(pool.Terms{Owner: "somebody"})
				for i := range 4 { // every other one is traced
					require.NoError(t, p.WaitReady(t.Context(), 1))
					lease := take(t, t.Context(), owned)
					time.Sleep(time.Second - time.Nanosecond)
					if i < 2 {
						lease.Checkin()
						settle(t, p)
						require.Empty(t, events.of(pool.EventLeaseOverdue, pool.EventLeaseLate), "in time")
						continue
					}
					settle(t, p)
					require.Len(t, events.of(pool.EventLeaseOverdue), i-2)
					time.Sleep(10*time.Millisecond + time.Nanosecond) // late by a sweep at most
					settle(t, p)
					require.Len(t, events.of(pool.EventLeaseOverdue), i-1)
					require.Len(t, events.of(pool.EventLeaseLate), i-2)
					time.Sleep(time.Minute)
					slot := lease.Slot()
					finish(p, lease)
					settle(t)
					if name == "stopped" {
						break
					}
					overdue, late := events.of(pool.EventLeaseOverdue), events.of(pool.EventLeaseLate)
					require.Len(t, late, i-1)
					e := late[i-2]
					require.Equal(t, slot, e.Slot)
					require.Equal(t, "somebody", e.Owner)
					require.Equal(t, endOf(t, lease).Reason, e.Reason)
					require.InDelta(t, time.Minute+time.Second+5*time.Millisecond, e.Elapsed, float64(6*time.Millisecond))
					require.Equal(t, overdue[i-2].Stack, e.Stack)
					require.Equal(t, i == 3, strings.HasPrefix(e.Stack, "github.com/pooltender/pool_test.take\n"))
				}
				if name == "stopped" {
					require.Len(t, events.of(pool.EventLeaseLate), 1)
					require.Equal(t, pool.EndStopped, events.of(pool.EventLeaseLate)[0].Reason)
				}
			})
		})
	}
}

// An overdue lease that is handed on has ended; the next one is young.
func TestAnOverdueLeaseThatIsHandedOnHasEnded(t *testing.T) {
	inBubble(t, func(t *testing.T, reg *pool.Registry, b *pooltest.Backend) {
		events := observe(reg)
		p := start(t, reg, b, pool.Options{Size: 1, WarnHold: time.Second})
		lease := take(t, t.Context(), p)
		time.Sleep(2 * time.Second)
		next, err := lease.Transfer(t.Context())
		require.NoError(t, err)
		time.Sleep(time.Second - time.Nanosecond)
		require.True(t, next.Checkin())
		settle(t, p)
		require.Len(t, events.of(pool.EventLeaseOverdue), 1)
		late := events.of(pool.EventLeaseLate)
		require.Len(t, late, 1)
		require.Equal(t, pool.EndTransferred, late[0].Reason)
		require.Equal(t, 2*time.Second, late[0].Elapsed)

		lease = take(t, t.Context(), p)
		time.Sleep(2 * time.Second)
		require.True(t, lease.Checkin())
		settle(t, p)
		require.True(t, take(t, t.Context(), p).Checkin(), "the manager has not seen this one")
		settle(t, p)
		require.Len(t, events.of(pool.EventLeaseLate), 2)
	})
}

// A group traces as its pools do, for those who have waited too.
func TestTheLeasesOfAGroupAreTraced(t *testing.T) {
	inBubble(t, func(t *testing.T, reg *pool.Registry, b *pooltest.Backend) {
		p := start(t, reg, b, pool.Options{Size: 1, TraceLeases: 1})
		g := pool.NewGroup(p)
		first, err := g.Checkout(t.Context())
		require.NoError(t, err)
		require.Contains(t, stacks(p)[0], "TestTheLeasesOfAGroupAreTraced")
		time.AfterFunc(time.Second, func() { first.Checkin() })
		second, err := g.Checkout(t.Context())
		require.NoError(t, err)
		require.Contains(t, stacks(p)[0], "TestTheLeasesOfAGroupAreTraced")
		require.True(t, second.Checkin())
	})
}
