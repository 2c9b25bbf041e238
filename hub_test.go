package pool

import (
	"bytes"
	"context"
	"errors"
	"log"
	"log/slog"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// hubTest runs f in a bubble, which fails if a goroutine of the hub is left.
func hubTest(t *testing.T, f func(t *testing.T, h *hub)) {
	t.Helper()
	t.Parallel()
	synctest.Test(t, func(t *testing.T) { f(t, newHub()) })
}

// hubReceived keeps what one subscriber received.
type hubReceived struct {
	mu     sync.Mutex
	events []Event
}

func (r *hubReceived) receive(e Event) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.events = append(r.events, e)
}

func (r *hubReceived) all() []Event {
	synctest.Wait()
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]Event(nil), r.events...)
}

func hubPublish(h *hub, n int, kind EventKind) {
	for range n {
		h.publish(Event{Kind: kind})
	}
}

// hubAssertSeqs asserts that events are those from one Seq to another, in order.
func hubAssertSeqs(t *testing.T, from, to uint64, events []Event) {
	t.Helper()
	want := from
	for _, e := range events {
		if e.Seq != want || e.Kind == EventDropped {
			assert.Fail(t, "events are missing or out of order", "want %d, got %v", want, e)
			return
		}
		want++
	}
	assert.Equal(t, to+1, want, "where the events end")
}

func hubSeqsOf(events []Event) (seqs []uint64) {
	for _, e := range events {
		seqs = append(seqs, e.Seq)
	}
	return seqs
}

func hubClose(t *testing.T, h *hub) {
	t.Helper()
	require.Zero(t, h.close(t.Context()), "receivers left")
}

func TestEventsReachEverySubscriberInOrder(t *testing.T) {
	hubTest(t, func(t *testing.T, h *hub) {
		var first, second hubReceived
		h.subscribe(first.receive, true)
		hubPublish(h, 3, EventWorkerStarted)
		h.subscribe(second.receive, true)
		given := time.Now().Add(-time.Hour)
		h.publish(Event{Kind: EventWorkerCrashed, Slot: Slot{Pool: "a", Index: 4}, Time: given})
		hubPublish(h, 2000, EventLeaseStarted)

		hubAssertSeqs(t, 1, 2004, first.all())
		hubAssertSeqs(t, 4, 2004, second.all())
		assert.Equal(t, time.Now(), first.events[0].Time)
		assert.Equal(t, Event{Kind: EventWorkerCrashed, Seq: 4, Slot: Slot{Pool: "a", Index: 4}, Time: given}, second.events[0])
		hubClose(t, h)
	})
}

func TestConcurrentPublishersGetOneOrder(t *testing.T) {
	hubTest(t, func(t *testing.T, h *hub) {
		var received hubReceived
		var inside atomic.Int32
		h.subscribe(func(e Event) {
			assert.Equal(t, int32(1), inside.Add(1), "one event at a time")
			received.receive(e)
			inside.Add(-1)
		}, true)
		var publishers sync.WaitGroup
		for range 4 {
			publishers.Go(func() { hubPublish(h, 1000, EventWorkerStarted) })
		}
		publishers.Wait()
		hubAssertSeqs(t, 1, 4000, received.all())
		hubClose(t, h)
	})
}

func TestASubscriberThatFallsBehindLearnsHowMuchItMissed(t *testing.T) {
	for name, missed := range map[string]int{"nothing": 0, "one": 1, "some": 37, "whole rings": 3*eventRing + 5} {
		t.Run(name, func(t *testing.T) {
			hubTest(t, func(t *testing.T, h *hub) {
				var received hubReceived
				release := make(chan struct{})
				h.subscribe(func(e Event) { <-release; received.receive(e) }, true)
				hubPublish(h, 1, EventWorkerStarted)
				synctest.Wait()
				hubPublish(h, missed+eventRing, EventLeaseEnded)
				close(release)

				events := received.all()
				last := uint64(1 + missed + eventRing)
				if missed > 0 {
					require.Len(t, events, 2+eventRing)
					assert.Equal(t, Event{Kind: EventDropped, Seq: uint64(1 + missed), Time: time.Now(), Dropped: missed}, events[1])
				} else {
					require.Len(t, events, 1+eventRing)
				}
				hubAssertSeqs(t, last-eventRing+1, last, events[len(events)-eventRing:])
				hubClose(t, h)
			})
		})
	}
}

func TestAGapWithoutLeasesCountsNone(t *testing.T) {
	hubTest(t, func(t *testing.T, h *hub) {
		var received hubReceived
		h.subscribe(func(Event) {}, true)
		hubPublish(h, 100, EventWorkerStarted)
		hubPublish(h, 100, EventLeaseStarted)
		release := make(chan struct{})
		h.subscribe(func(e Event) { <-release; received.receive(e) }, false)
		hubPublish(h, 1, EventWorkerStarted)
		synctest.Wait()

		hubPublish(h, 2*eventRing, EventLeaseStarted)
		hubPublish(h, 1, EventWorkerStarted)
		release <- struct{}{}
		release <- struct{}{}
		events := received.all()
		assert.Equal(t, []uint64{201, 202 + 2*eventRing}, hubSeqsOf(events), "only lease events were overwritten")

		hubPublish(h, 1, EventWorkerStarted)
		synctest.Wait()
		hubPublish(h, 7, EventWorkerStarted)
		hubPublish(h, 2*eventRing, EventLeaseEnded)
		hubPublish(h, 5, EventLeaseOverdue)
		hubPublish(h, eventRing-2, EventLeaseEnded)
		close(release)
		events = received.all()
		require.Len(t, events, 2+1+1+2)
		assert.Equal(t, EventDropped, events[3].Kind)
		assert.Equal(t, 7+3, events[3].Dropped)
		assert.Equal(t, EventLeaseOverdue, events[4].Kind)
		assert.Equal(t, EventLeaseOverdue, events[5].Kind)
		hubClose(t, h)
	})
}

func TestLeaseEventsAreOnlyForThoseWhoWantThem(t *testing.T) {
	hubTest(t, func(t *testing.T, h *hub) {
		assert.False(t, h.active())
		assert.False(t, h.watched())
		h.publish(Event{Kind: EventWorkerStarted})

		var plain, watcher hubReceived
		h.subscribe(plain.receive, false)
		assert.True(t, h.active())
		assert.False(t, h.watched())
		h.publish(Event{Kind: EventLeaseStarted})
		h.publish(Event{Kind: EventLeaseOverdue})

		unsubscribe := h.subscribe(watcher.receive, true)
		assert.True(t, h.watched())
		h.publish(Event{Kind: EventLeaseStarted})
		h.publish(Event{Kind: EventLeaseEnded})
		h.publish(Event{Kind: EventWorkerStopped})
		synctest.Wait()

		unsubscribe()
		assert.True(t, h.active())
		assert.False(t, h.watched())
		h.publish(Event{Kind: EventLeaseEnded})
		h.publish(Event{Kind: EventZombie})

		assert.Equal(t, []uint64{1, 4, 5}, hubSeqsOf(plain.all()), "what nobody wants has no number")
		assert.Equal(t, []uint64{2, 3, 4}, hubSeqsOf(watcher.all()))
		hubClose(t, h)
	})
}

func TestABlockedReceiverDelaysNobody(t *testing.T) {
	hubTest(t, func(t *testing.T, h *hub) {
		var received hubReceived
		release := make(chan struct{})
		h.subscribe(func(Event) { <-release }, true)
		h.subscribe(received.receive, true)
		for range 3 {
			hubPublish(h, eventRing, EventLeaseStarted)
			synctest.Wait()
		}
		hubAssertSeqs(t, 1, 3*eventRing, received.all())
		close(release)
		hubClose(t, h)
	})
}

func TestAReceiverThatPanicsGoesOnAndIsLoggedEverMoreRarely(t *testing.T) {
	hubTest(t, func(t *testing.T, h *hub) {
		var logged logCapture
		h.logTo(slog.New(&logged))
		var panicking, other hubReceived
		h.subscribe(func(e Event) { panicking.receive(e); panic(errors.New("boom")) }, true)
		h.subscribe(other.receive, true)
		hubPublish(h, 20, EventLeaseStarted)

		hubAssertSeqs(t, 1, 20, panicking.all())
		hubAssertSeqs(t, 1, 20, other.all())
		lines := logged.all()
		require.Len(t, lines, 5)
		for i, line := range lines {
			assert.Equal(t, slog.LevelError, line.level)
			assert.Equal(t, "pool: event receiver panicked", line.message)
			assert.Equal(t, "boom", line.attrs["panic"])
			assert.Equal(t, uint64(1)<<i, line.attrs["times"])
			assert.Contains(t, line.attrs["stack"], "TestAReceiverThatPanics")
		}
		hubClose(t, h)
	})
}

func TestWithoutALoggerAPanicIsLoggedToTheDefault(t *testing.T) { // not parallel: the default is everybody's
	var out bytes.Buffer
	before, writer, flags := slog.Default(), log.Writer(), log.Flags()
	slog.SetDefault(slog.New(slog.NewTextHandler(&out, nil)))
	defer func() {
		slog.SetDefault(before)
		log.SetOutput(writer) // SetDefault redirects the log package for good
		log.SetFlags(flags)
	}()
	synctest.Test(t, func(t *testing.T) {
		h := newHub()
		h.subscribe(func(Event) { panic("boom") }, true)
		hubPublish(h, 1, EventWorkerStarted)
		hubClose(t, h)
	})
	assert.Contains(t, out.String(), "event receiver panicked")
}

func TestAReceiverThatPanicsIntoABrokenLogGoesOn(t *testing.T) {
	for name, broken := range map[string]func(){"panic": func() { panic("log") }, "goexit": runtime.Goexit} {
		t.Run(name, func(t *testing.T) {
			hubTest(t, func(t *testing.T, h *hub) {
				h.logTo(slog.New(&logCapture{before: broken}))
				var received hubReceived
				h.subscribe(func(e Event) { received.receive(e); panic("boom") }, true)
				hubPublish(h, 20, EventLeaseStarted)
				hubAssertSeqs(t, 1, 20, received.all())
				hubClose(t, h)
			})
		})
	}
}

func TestAReceiverThatCallsGoexitGoesOn(t *testing.T) {
	hubTest(t, func(t *testing.T, h *hub) {
		var exiting, other hubReceived
		h.subscribe(func(e Event) { exiting.receive(e); runtime.Goexit() }, true)
		h.subscribe(other.receive, true)
		hubPublish(h, 20, EventLeaseStarted)
		hubAssertSeqs(t, 1, 20, exiting.all())
		hubAssertSeqs(t, 1, 20, other.all())
		hubClose(t, h)
	})
}

func TestAReceiverMayUnsubscribeItself(t *testing.T) {
	hubTest(t, func(t *testing.T, h *hub) {
		var received hubReceived
		var unsubscribe func()
		unsubscribe = h.subscribe(func(e Event) {
			received.receive(e)
			if e.Seq == 3 {
				unsubscribe()
				unsubscribe()
			}
		}, true)
		hubPublish(h, 10, EventLeaseStarted)
		hubAssertSeqs(t, 1, 3, received.all())
		assert.False(t, h.active())
		unsubscribe()
		hubClose(t, h)
	})
}

func TestUnsubscribingIsIdempotentAndEndsTheGoroutine(t *testing.T) {
	hubTest(t, func(t *testing.T, h *hub) {
		var received hubReceived
		gone := h.subscribe(func(Event) { t.Error("unsubscribed") }, true)
		h.subscribe(received.receive, true)
		synctest.Wait()
		gone()
		gone()
		synctest.Wait()
		assert.Len(t, h.subscribers, 1)
		hubPublish(h, 5, EventLeaseStarted)
		hubAssertSeqs(t, 1, 5, received.all())
		hubClose(t, h)
		gone()
		assert.False(t, h.active())
	})
}

func TestUnsubscribingDoesNotWaitForACallUnderWay(t *testing.T) {
	hubTest(t, func(t *testing.T, h *hub) {
		var calls atomic.Int32
		release := make(chan struct{})
		unsubscribe := h.subscribe(func(Event) { calls.Add(1); <-release }, true)
		hubPublish(h, 10, EventLeaseStarted)
		synctest.Wait()
		unsubscribe()

		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		assert.Equal(t, 1, h.close(ctx), "unsubscribed, but it has not returned")
		close(release)
		synctest.Wait()
		assert.Equal(t, int32(1), calls.Load())
	})
}

func TestReceiversMaySubscribeAndPublish(t *testing.T) {
	hubTest(t, func(t *testing.T, h *hub) {
		var inner hubReceived
		h.subscribe(func(e Event) {
			if e.Seq == 1 {
				h.subscribe(inner.receive, true)
				h.publish(Event{Kind: EventUnstable})
			}
		}, true)
		hubPublish(h, 1, EventLeaseStarted)
		assert.Equal(t, []uint64{2}, hubSeqsOf(inner.all()))
		hubClose(t, h)
	})
}

func TestCloseDeliversTheRestAndNothingAfterIt(t *testing.T) {
	hubTest(t, func(t *testing.T, h *hub) {
		var slow, fast hubReceived
		h.subscribe(func(e Event) { time.Sleep(time.Millisecond); slow.receive(e) }, true)
		h.subscribe(fast.receive, true)
		hubPublish(h, 100, EventLeaseStarted)

		begun := time.Now()
		hubClose(t, h)
		assert.Equal(t, 100*time.Millisecond, time.Since(begun))
		assert.False(t, h.active())
		assert.False(t, h.watched())
		hubPublish(h, 3, EventLeaseStarted)
		var late hubReceived
		unsubscribe := h.subscribe(late.receive, true)
		h.logTo(slog.New(&logCapture{}))
		assert.False(t, h.active())
		hubPublish(h, 3, EventLeaseStarted)
		unsubscribe()

		hubAssertSeqs(t, 1, 100, slow.all())
		hubAssertSeqs(t, 1, 100, fast.all())
		assert.Empty(t, late.all())
		assert.Nil(t, h.ring)
		hubClose(t, h)
	})
}

func TestCloseReportsReceiversThatDoNotReturn(t *testing.T) {
	hubTest(t, func(t *testing.T, h *hub) {
		release := make(chan struct{})
		var received hubReceived
		var calls atomic.Int32
		blocked := func(Event) { calls.Add(1); <-release }
		h.subscribe(blocked, true)
		h.subscribe(blocked, true)
		h.subscribe(func(Event) { panic("boom") }, true)
		h.subscribe(received.receive, true)
		h.logger = slog.New(slog.DiscardHandler)
		hubPublish(h, 10, EventLeaseStarted)

		begun := time.Now()
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		defer cancel()
		assert.Equal(t, 2, h.close(ctx))
		assert.Equal(t, 3*time.Second, time.Since(begun))
		assert.Equal(t, 2, h.close(ctx), "still")
		hubAssertSeqs(t, 1, 10, received.all())

		close(release)
		synctest.Wait()
		assert.Equal(t, int32(2), calls.Load(), "no call begins after close")
		hubClose(t, h)
	})
}

func TestCloseDoesNotReportIdleReceivers(t *testing.T) {
	hubTest(t, func(t *testing.T, h *hub) {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		for range 50 {
			h.subscribe(func(Event) {}, true)
		}
		assert.Zero(t, h.close(ctx))
		assert.Empty(t, h.subscribers)
	})
}

func TestTheEarliestContextEndsConcurrentCloses(t *testing.T) {
	hubTest(t, func(t *testing.T, h *hub) {
		var received hubReceived
		var logged logCapture
		h.logger = slog.New(&logged)
		h.subscribe(func(e Event) { time.Sleep(time.Second); received.receive(e) }, true)
		hubPublish(h, 100, EventLeaseStarted)
		var patient sync.WaitGroup
		patient.Go(func() { assert.Zero(t, h.close(t.Context())) })
		ctx, cancel := context.WithTimeout(t.Context(), 3500*time.Millisecond)
		defer cancel()
		assert.Equal(t, 1, h.close(ctx))
		patient.Wait()
		hubAssertSeqs(t, 1, 4, received.all())
		assert.Empty(t, logged.all())
	})
}

func TestCloseMayRacePublishersAndSubscribers(t *testing.T) {
	hubTest(t, func(t *testing.T, _ *hub) {
		for range 200 {
			h := newHub()
			var received hubReceived
			h.subscribe(received.receive, true)
			var others sync.WaitGroup
			for range 2 {
				others.Go(func() { hubPublish(h, 50, EventLeaseStarted) })
				others.Go(func() { h.subscribe(func(Event) {}, true)() })
			}
			hubClose(t, h)
			others.Wait()
			hubAssertSeqs(t, 1, h.seq, received.all())
		}
	})
}

func TestTheLastCallIsNotMadeOnceCloseHasGivenUp(t *testing.T) {
	t.Parallel()
	h := newHub()
	assert.True(t, (&subscriber{hub: h}).last())
	assert.False(t, (&subscriber{hub: h, gone: true}).last())
}

func TestAPublisherThatMeetsCloseDoesNothing(t *testing.T) {
	t.Parallel()
	h := newHub()
	h.wants.Store(wantsEvents)
	h.mu.Lock()
	var publisher sync.WaitGroup
	publisher.Go(func() { hubPublish(h, 1, EventWorkerStarted) })
	for range 1000 {
		runtime.Gosched() // it looks, then waits for the lock
	}
	h.wants.Store(0)
	h.mu.Unlock()
	publisher.Wait()
	assert.Zero(t, h.seq)
}

func TestAnUnusedHubHasNothingToClose(t *testing.T) {
	hubTest(t, func(t *testing.T, h *hub) {
		hubPublish(h, 10, EventWorkerCrashed)
		assert.Nil(t, h.ring)
		hubClose(t, h)
	})
}

func TestPublishingAllocatesNothing(t *testing.T) { // not parallel: allocations are counted for the process
	h := newHub()
	e := Event{Kind: EventLeaseStarted, Slot: Slot{Pool: "a"}}
	assert.Zero(t, testing.AllocsPerRun(1000, func() { h.publish(e) }), "nobody listens")
	assert.Zero(t, h.seq)

	release := make(chan struct{})
	h.subscribe(func(Event) { <-release }, true)
	assert.Zero(t, testing.AllocsPerRun(1000, func() { h.publish(e) }), "somebody listens")
	assert.Equal(t, uint64(1001), h.seq)
	close(release)
	hubClose(t, h)
}

func BenchmarkHubPublishUnheard(b *testing.B) {
	h := newHub()
	for b.Loop() {
		h.publish(Event{Kind: EventLeaseStarted})
	}
}

func BenchmarkHubPublishHeard(b *testing.B) {
	h := newHub()
	h.subscribe(func(Event) {}, true)
	for b.Loop() {
		h.publish(Event{Kind: EventLeaseStarted})
	}
	h.close(b.Context())
}
