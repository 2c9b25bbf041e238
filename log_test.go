package pool

import (
	"context"
	"errors"
	"log/slog"
	"runtime"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

type logLine struct {
	time    time.Time
	level   slog.Level
	message string
	attrs   map[string]any
}

// logCapture is a slog.Handler that keeps the lines from the level min on.
type logCapture struct {
	min    slog.Level
	before func() // called first in each Handle

	mu    sync.Mutex
	lines []logLine
}

func (c *logCapture) Enabled(_ context.Context, level slog.Level) bool { return level >= c.min }
func (c *logCapture) WithAttrs([]slog.Attr) slog.Handler               { return c }
func (c *logCapture) WithGroup(string) slog.Handler                    { return c }

func (c *logCapture) Handle(_ context.Context, record slog.Record) error {
	if c.before != nil {
		c.before()
	}
	line := logLine{record.Time, record.Level, record.Message, make(map[string]any)}
	record.Attrs(func(a slog.Attr) bool {
		line.attrs[a.Key] = a.Value.Any()
		return true
	})
	c.mu.Lock()
	defer c.mu.Unlock()
	c.lines = append(c.lines, line)
	return nil
}

func (c *logCapture) all() []logLine {
	synctest.Wait()
	c.mu.Lock()
	defer c.mu.Unlock()
	return append([]logLine(nil), c.lines...)
}

// take returns the lines since the last take.
func (c *logCapture) take() []logLine {
	lines := c.all()
	c.mu.Lock()
	defer c.mu.Unlock()
	c.lines = nil
	return lines
}

// logTest runs f in a bubble with a hub that logs to log, and closes it.
func logTest(t *testing.T, log *logCapture, f func(t *testing.T, h *hub)) {
	t.Helper()
	hubTest(t, func(t *testing.T, h *hub) {
		h.logTo(slog.New(log))
		f(t, h)
		hubClose(t, h)
	})
}

func logCrash(h *hub, pool string, n int) {
	for i := range n {
		h.publish(Event{Kind: EventWorkerCrashed, Slot: Slot{Pool: pool, Index: i, Incarnation: 1}, Err: errors.New("boom")})
	}
}

func TestTheLogTellsTroubleAndItsEnd(t *testing.T) {
	slot := Slot{Pool: "a", Index: 2, Incarnation: 5}
	boom := errors.New("boom")
	crash := &CrashError{Slot: slot, Hook: "run", Panic: "boom", Stack: []byte("stack of run")}
	start := &StartError{Slot: slot, Panic: "boom", Stack: []byte("stack of start")}
	worker := func(more map[string]any) map[string]any {
		attrs := map[string]any{"pool": "a", "slot": int64(2), "incarnation": uint64(5)}
		for k, v := range more {
			attrs[k] = v
		}
		return attrs
	}
	state := func(s State) map[string]any { return map[string]any{"pool": "a", "state": string(s)} }
	for _, test := range []struct {
		event   Event
		level   slog.Level
		message string
		attrs   map[string]any
	}{
		{Event{Kind: EventPoolState, State: StateStarting}, slog.LevelDebug, "pool: state changed", state(StateStarting)},
		{Event{Kind: EventPoolState, State: StateReady}, slog.LevelInfo, "pool: state changed", state(StateReady)},
		{Event{Kind: EventPoolState, State: StateDegraded}, slog.LevelWarn, "pool: state changed", state(StateDegraded)},
		{Event{Kind: EventPoolState, State: StateCrashLoop}, slog.LevelError, "pool: state changed", state(StateCrashLoop)},
		{Event{Kind: EventPoolState, State: StateRestarting}, slog.LevelInfo, "pool: state changed", state(StateRestarting)},
		{Event{Kind: EventPoolState, State: StateDraining}, slog.LevelDebug, "pool: state changed", state(StateDraining)},
		{Event{Kind: EventPoolState, State: StateStopped}, slog.LevelInfo, "pool: state changed", state(StateStopped)},
		{Event{Kind: EventPoolState, State: StateFailed}, slog.LevelError, "pool: state changed", state(StateFailed)},
		{Event{Kind: EventPoolDied, Err: boom}, slog.LevelError, "pool: died", map[string]any{"pool": "a", "error": boom}},
		{Event{Kind: EventUnstable}, slog.LevelWarn, "pool: unstable", map[string]any{"pool": "a"}},
		{Event{Kind: EventWorkerStarted, Slot: slot, Elapsed: time.Second}, slog.LevelDebug, "pool: worker started", worker(map[string]any{"elapsed": time.Second})},
		{Event{Kind: EventStartFailed, Slot: slot, Err: start}, slog.LevelWarn, "pool: worker did not start", worker(map[string]any{"error": start, "stack": "stack of start"})},
		{Event{Kind: EventWorkerCrashed, Slot: slot, Err: crash}, slog.LevelWarn, "pool: worker crashed", worker(map[string]any{"error": crash, "stack": "stack of run"})},
		{Event{Kind: EventWorkerStopped, Slot: slot}, slog.LevelDebug, "pool: worker stopped", worker(nil)},
		{Event{Kind: EventWorkerStopped, Slot: slot, Err: boom}, slog.LevelInfo, "pool: worker stopped", worker(map[string]any{"error": boom})},
		{Event{Kind: EventZombie, Slot: slot, Err: boom}, slog.LevelError, "pool: worker did not end", worker(map[string]any{"error": boom})},
		{Event{Kind: EventLeaseOverdue, Slot: slot, Owner: "me", Reason: EndOverdue}, slog.LevelWarn, "pool: lease overdue", worker(map[string]any{"owner": "me", "reason": "overdue"})},
		{Event{Kind: EventLeaseLate, Slot: slot, Reason: EndReturned, Elapsed: time.Second}, slog.LevelInfo, "pool: overdue lease ended", worker(map[string]any{"elapsed": time.Second, "reason": "returned"})},
		{Event{Kind: EventLeaseLate, Slot: slot, Reason: EndCrashed, Err: crash, Stack: "of the checkout"}, slog.LevelInfo, "pool: overdue lease ended", worker(map[string]any{"error": crash, "reason": "crashed", "stack": "of the checkout"})},
		{Event{Kind: EventLeaseLeaked, Slot: slot, Owner: "me", origin: &origin{}}, slog.LevelWarn, "pool: lease leaked", worker(map[string]any{"owner": "me"})},
		{Event{Kind: "new"}, slog.LevelDebug, "pool: new", map[string]any{"pool": "a", "slot": int64(0), "incarnation": uint64(0)}},
	} {
		t.Run(string(test.event.Kind)+" "+string(test.event.State), func(t *testing.T) {
			log := &logCapture{min: slog.LevelDebug}
			logTest(t, log, func(t *testing.T, h *hub) {
				e := test.event
				e.Slot.Pool = "a"
				e.Time = time.Now().Add(-time.Minute)
				h.publish(e)
				assert.Equal(t, []logLine{{e.Time, test.level, test.message, test.attrs}}, log.all())
			})
		})
	}
}

func TestTheLogHasNoLeases(t *testing.T) {
	log := &logCapture{min: slog.LevelDebug}
	logTest(t, log, func(t *testing.T, h *hub) {
		assert.True(t, h.active())
		assert.False(t, h.watched())
		h.subscribe(func(Event) {}, true)
		hubPublish(h, 100, EventLeaseStarted)
		hubPublish(h, 100, EventLeaseEnded)
		assert.Empty(t, log.all())
	})
}

func TestAWorkerIsBackOnlyAfterTrouble(t *testing.T) {
	log := &logCapture{min: slog.LevelInfo}
	logTest(t, log, func(t *testing.T, h *hub) {
		slot := Slot{Pool: "a", Index: 1}
		for range 2 {
			for _, trouble := range []EventKind{EventWorkerCrashed, EventStartFailed, EventZombie} {
				h.publish(Event{Kind: trouble, Slot: slot})
				h.publish(Event{Kind: EventWorkerStarted, Slot: Slot{Pool: "a", Index: 2}})
				h.publish(Event{Kind: EventWorkerStarted, Slot: Slot{Pool: "b", Index: 1}})
				require.Len(t, log.take(), 1, trouble)
				h.publish(Event{Kind: EventWorkerStarted, Slot: slot})
				h.publish(Event{Kind: EventWorkerStarted, Slot: slot})
				lines := log.take()
				require.Len(t, lines, 1, trouble)
				assert.Equal(t, slog.LevelInfo, lines[0].level)
				assert.Equal(t, "pool: worker started", lines[0].message)
			}
		}
		logCrash(h, "a", 2)
		logCrash(h, "b", 2)
		h.publish(Event{Kind: EventPoolState, State: StateStopped, Slot: Slot{Pool: "a"}})
		log.take()
		h.publish(Event{Kind: EventWorkerStarted, Slot: slot})
		assert.Empty(t, log.take(), "a new pool of the name has had no trouble")
		h.publish(Event{Kind: EventWorkerStarted, Slot: Slot{Pool: "b", Index: 1}})
		assert.Len(t, log.take(), 1)
	})
}

func TestACrashStormIsToldInTenLinesAndASum(t *testing.T) {
	log := &logCapture{}
	logTest(t, log, func(t *testing.T, h *hub) {
		begun := time.Now()
		logCrash(h, "a", 500)
		lines := log.take()
		require.Len(t, lines, 10)
		for i, line := range lines {
			assert.Equal(t, "pool: worker crashed", line.message)
			assert.Equal(t, int64(i), line.attrs["slot"])
		}

		time.Sleep(10*time.Second - 1)
		assert.Empty(t, log.take())
		time.Sleep(time.Nanosecond)
		boom := errors.New("boom")
		assert.Equal(t, []logLine{{begun.Add(10 * time.Second), slog.LevelWarn, "pool: log lines suppressed", map[string]any{
			"event": "worker crashed", "suppressed": int64(490),
			"pool": "a", "slot": int64(499), "incarnation": uint64(1), "error": boom,
		}}}, log.take())

		logCrash(h, "a", 1)
		assert.Len(t, log.take(), 1, "the first line is never delayed")
		time.Sleep(time.Hour)
		assert.Empty(t, log.take(), "ten lines or fewer need no sum")
	})
}

func TestALastingStormWritesElevenLinesInTenSeconds(t *testing.T) {
	log := &logCapture{}
	logTest(t, log, func(t *testing.T, h *hub) {
		for range 600 {
			logCrash(h, "a", 1)
			time.Sleep(100 * time.Millisecond)
		}
		lines := log.take()
		assert.Len(t, lines, 6*11)
		told := 0
		for i, line := range lines {
			if i%11 == 10 {
				assert.Equal(t, int64(90), line.attrs["suppressed"])
				told += 90
			} else {
				assert.Equal(t, "pool: worker crashed", line.message)
				told++
			}
		}
		assert.Equal(t, 600, told)
	})
}

func TestEachPoolAndKindHasItsOwnLines(t *testing.T) {
	log := &logCapture{}
	logTest(t, log, func(t *testing.T, h *hub) {
		logCrash(h, "a", 30)
		time.Sleep(time.Second)
		logCrash(h, "b", 40)
		time.Sleep(time.Second)
		for range 50 {
			h.publish(Event{Kind: EventStartFailed, Slot: Slot{Pool: "a"}})
		}
		assert.Len(t, log.take(), 30)
		for _, want := range []struct {
			pool, event string
			suppressed  int64
		}{{"a", "worker crashed", 20}, {"b", "worker crashed", 30}, {"a", "start failed", 40}} {
			if want.suppressed == 20 {
				time.Sleep(8 * time.Second)
			} else {
				time.Sleep(time.Second)
			}
			lines := log.take()
			require.Len(t, lines, 1)
			assert.Equal(t, want.pool, lines[0].attrs["pool"])
			assert.Equal(t, want.event, lines[0].attrs["event"])
			assert.Equal(t, want.suppressed, lines[0].attrs["suppressed"])
		}
	})
}

func TestTheSumHasTheGravestLevel(t *testing.T) {
	log := &logCapture{}
	logTest(t, log, func(t *testing.T, h *hub) {
		publish := func(states ...State) {
			for _, s := range states {
				h.publish(Event{Kind: EventPoolState, State: s, Slot: Slot{Pool: "a"}})
			}
		}
		for range 5 {
			publish(StateDegraded, StateReady)
		}
		publish(StateDraining, StateReady, StateFailed, StateReady)
		log.take()
		time.Sleep(10 * time.Second)
		lines := log.take()
		require.Len(t, lines, 1)
		assert.Equal(t, slog.LevelError, lines[0].level)
		assert.Equal(t, int64(3), lines[0].attrs["suppressed"], "the line of draining was not wanted anyway")
		assert.Equal(t, "ready", lines[0].attrs["state"], "the last")
	})
}

func TestLinesThatAreNotWantedDoNotCount(t *testing.T) {
	log := &logCapture{}
	logTest(t, log, func(t *testing.T, h *hub) {
		hubPublish(h, 50, EventWorkerStarted)
		h.publish(Event{Kind: EventWorkerCrashed})
		log.take()
		h.publish(Event{Kind: EventWorkerStarted})
		assert.Len(t, log.take(), 1)
	})
}

func TestCloseWritesTheSumAtOnce(t *testing.T) {
	log := &logCapture{}
	hubTest(t, func(t *testing.T, h *hub) {
		h.logTo(slog.New(log))
		begun := time.Now()
		logCrash(h, "a", 12)
		time.Sleep(time.Second)
		logCrash(h, "b", 13)
		hubClose(t, h)
		assert.Equal(t, time.Second, time.Since(begun))
		lines := log.take()
		require.Len(t, lines, 22)
		assert.Equal(t, int64(2), lines[20].attrs["suppressed"])
		assert.Equal(t, int64(3), lines[21].attrs["suppressed"])
	})
}

func TestALogHandlerThatBlocksHarmsOnlyTheLog(t *testing.T) {
	hubTest(t, func(t *testing.T, h *hub) {
		release := make(chan struct{})
		log := &logCapture{before: func() { <-release }}
		h.logTo(slog.New(log))
		var received hubReceived
		h.subscribe(received.receive, true)
		logCrash(h, "a", 1)
		synctest.Wait()
		for range 2 {
			hubPublish(h, eventRing, EventLeaseStarted)
			synctest.Wait()
			logCrash(h, "a", 4)
			synctest.Wait()
		}
		hubAssertSeqs(t, 1, 2*eventRing+9, received.all())

		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		begun := time.Now()
		assert.Equal(t, 1, h.close(ctx))
		assert.Equal(t, time.Second, time.Since(begun))
		close(release)
		assert.Len(t, log.take(), 1, "nothing is written after close")
	})
}

func TestALogHandlerMayBlockInTheSum(t *testing.T) {
	for name, closedAfter := range map[string]time.Duration{"at the end of the window": logWindow, "at close": time.Second} {
		t.Run(name, func(t *testing.T) {
			hubTest(t, func(t *testing.T, h *hub) {
				release := make(chan struct{})
				written := 0
				h.logTo(slog.New(&logCapture{before: func() {
					if written++; written > logLines {
						<-release
					}
				}}))
				logCrash(h, "a", logLines+1)
				time.Sleep(closedAfter)
				synctest.Wait()
				ctx, cancel := context.WithTimeout(t.Context(), time.Second)
				defer cancel()
				assert.Equal(t, 1, h.close(ctx))
				close(release)
			})
		})
	}
}

func TestALogThatFellBehindSaysSo(t *testing.T) {
	hubTest(t, func(t *testing.T, h *hub) {
		release := make(chan struct{})
		log := &logCapture{before: func() { <-release }}
		h.logTo(slog.New(log))
		h.subscribe(func(Event) {}, true)
		logCrash(h, "a", 1)
		synctest.Wait()
		logCrash(h, "a", 3)
		hubPublish(h, eventRing-1, EventLeaseStarted)
		logCrash(h, "b", 1)
		close(release)
		lines := log.take()
		require.Len(t, lines, 3)
		assert.Equal(t, "pool: events dropped", lines[1].message)
		assert.Equal(t, map[string]any{"dropped": int64(3)}, lines[1].attrs)
		assert.Equal(t, "b", lines[2].attrs["pool"])
		hubClose(t, h)
	})
}

func TestALogHandlerThatPanicsOrExitsHarmsNothing(t *testing.T) {
	for name, broken := range map[string]func(){"panic": func() { panic("log") }, "goexit": runtime.Goexit} {
		t.Run(name, func(t *testing.T) {
			fine := false
			log := &logCapture{before: func() {
				if !fine {
					broken()
				}
			}}
			logTest(t, log, func(t *testing.T, h *hub) {
				logCrash(h, "a", 30)
				time.Sleep(10 * time.Second)
				require.Empty(t, log.take())
				fine = true
				logCrash(h, "a", 1)
				assert.Len(t, log.take(), 1)
				fine = false
				logCrash(h, "a", 30)
				logCrash(h, "b", 30)
			})
		})
	}
}

func TestNoLoggerIsNoSubscriber(t *testing.T) {
	hubTest(t, func(t *testing.T, h *hub) {
		h.logTo(nil)
		assert.False(t, h.active())
	})
}
