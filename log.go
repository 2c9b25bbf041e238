package pool

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"time"
)

// Of one kind of event of one pool at most logLines lines are written in
// logWindow.
const (
	logLines  = 10
	logWindow = 10 * time.Second
)

// logTo writes the events of the hub to logger, on a goroutine of its own. A
// handler that blocks or panics harms nothing but the log.
//
//	Error  a pool died, is in crash loop or has failed; a zombie
//	Warn   a crash, a failed start, an overdue or leaked lease; a pool is degraded or unstable; events were dropped
//	Info   a pool is ready, restarting or stopped; a worker is back after trouble; a Stop hook failed; an overdue lease has ended
//	Debug  everything else, but leases
//
// A line bears the time of its event. After ten lines of one kind and pool the
// rest of ten seconds is counted and told in one line: it has the attributes of
// the last event left out and the level of the gravest.
func (h *hub) logTo(logger *slog.Logger) {
	if logger == nil {
		return
	}
	h.mu.Lock()
	h.logger = logger
	h.mu.Unlock()
	s := &subscriber{hub: h}
	l := &eventLog{
		handler: logger.Handler(),
		windows: make(map[logTopic]*logPeriod),
		trouble: make(map[logPlace]struct{}),
	}
	s.loop = func() { l.follow(s) }
	h.add(s)
}

// eventLog is the receiver behind logTo. Only its subscriber's goroutine
// touches it.
type eventLog struct {
	handler slog.Handler
	windows map[logTopic]*logPeriod
	order   []*logPeriod          // the same, the first to end first
	trouble map[logPlace]struct{} // slots whose worker crashed, did not start or did not end
}

type logTopic struct {
	pool string
	kind EventKind
}

type logPlace struct {
	pool  string
	index int
}

// logPeriod is a stretch of logWindow, begun by the first line of a topic.
type logPeriod struct {
	topic      logTopic
	end        time.Time
	lines      int
	suppressed int
	level      slog.Level // the gravest of those suppressed
	last       Event      // the last of those suppressed
}

func (l *eventLog) follow(s *subscriber) {
	for {
		var until time.Time
		if len(l.order) > 0 {
			until = l.order[0].end
		}
		e, got := s.next(until)
		now := time.Now()
		switch got {
		case newsEvent:
			l.flush(now)
			l.receive(e, now)
		case newsLate:
			l.flush(now)
		case newsOver:
			if s.last() {
				l.flush(now.Add(logWindow)) // all of them
			}
			return
		default:
			return
		}
	}
}

// receive writes the line of e, or counts it.
func (l *eventLog) receive(e Event, now time.Time) {
	level := l.level(e)
	if !l.handler.Enabled(context.Background(), level) {
		return
	}
	topic := logTopic{e.Slot.Pool, e.Kind}
	w := l.windows[topic]
	if w == nil {
		w = &logPeriod{topic: topic, end: now.Add(logWindow)}
		l.windows[topic] = w
		l.order = append(l.order, w)
	}
	if w.lines < logLines {
		w.lines++
		l.write(e.Time, level, logMessage(e.Kind), logAttrs(e))
		return
	}
	if w.suppressed == 0 || level > w.level {
		w.level = level
	}
	w.suppressed++
	w.last = e
}

// flush ends the windows that are over at now. Each is gone before its line is
// written: the handler may panic.
func (l *eventLog) flush(now time.Time) {
	for len(l.order) > 0 && !l.order[0].end.After(now) {
		w := l.order[0]
		l.order[0] = nil
		l.order = l.order[1:]
		delete(l.windows, w.topic)
		if w.suppressed > 0 {
			attrs := []slog.Attr{slog.String("event", string(w.topic.kind)), slog.Int("suppressed", w.suppressed)}
			l.write(time.Now(), w.level, "pool: log lines suppressed", append(attrs, logAttrs(w.last)...))
		}
	}
}

func (l *eventLog) write(at time.Time, level slog.Level, message string, attrs []slog.Attr) {
	record := slog.NewRecord(at, level, message, 0)
	record.AddAttrs(attrs...)
	_ = l.handler.Handle(context.Background(), record)
}

// level is what an operator wants: trouble, and its end. Workers that come and
// go in order are neither.
func (l *eventLog) level(e Event) slog.Level {
	place := logPlace{e.Slot.Pool, e.Slot.Index}
	switch e.Kind {
	case EventPoolState:
		switch e.State {
		case StateCrashLoop, StateFailed:
			return slog.LevelError
		case StateDegraded:
			return slog.LevelWarn
		case StateReady, StateRestarting:
			return slog.LevelInfo
		case StateStopped:
			maps.DeleteFunc(l.trouble, func(p logPlace, _ struct{}) bool { return p.pool == place.pool })
			return slog.LevelInfo
		}
	case EventPoolDied:
		return slog.LevelError
	case EventZombie:
		l.trouble[place] = struct{}{}
		return slog.LevelError
	case EventWorkerCrashed, EventStartFailed:
		l.trouble[place] = struct{}{}
		return slog.LevelWarn
	case EventUnstable, EventLeaseOverdue, EventLeaseLeaked, EventDropped:
		return slog.LevelWarn
	case EventLeaseLate:
		return slog.LevelInfo
	case EventWorkerStarted:
		if _, ok := l.trouble[place]; ok {
			delete(l.trouble, place)
			return slog.LevelInfo
		}
	case EventWorkerStopped:
		if e.Err != nil {
			return slog.LevelInfo
		}
	}
	return slog.LevelDebug
}

func logMessage(kind EventKind) string {
	switch kind {
	case EventPoolState:
		return "pool: state changed"
	case EventPoolDied:
		return "pool: died"
	case EventStartFailed:
		return "pool: worker did not start"
	case EventZombie:
		return "pool: worker did not end"
	case EventDropped:
		return "pool: events dropped"
	}
	return "pool: " + string(kind)
}

func logAttrs(e Event) []slog.Attr {
	attrs := make([]slog.Attr, 0, 8)
	if e.Kind == EventDropped {
		return append(attrs, slog.Int("dropped", e.Dropped))
	}
	attrs = append(attrs, slog.String("pool", e.Slot.Pool))
	switch e.Kind {
	case EventPoolState:
		attrs = append(attrs, slog.String("state", string(e.State)))
	case EventPoolDied, EventUnstable:
	default:
		attrs = append(attrs, slog.Int("slot", e.Slot.Index), slog.Uint64("incarnation", e.Slot.Incarnation))
	}
	if e.Reason != "" {
		attrs = append(attrs, slog.String("reason", string(e.Reason)))
	}
	if e.Owner != "" {
		attrs = append(attrs, slog.String("owner", e.Owner))
	}
	if e.Elapsed != 0 {
		attrs = append(attrs, slog.Duration("elapsed", e.Elapsed))
	}
	if e.Err != nil {
		attrs = append(attrs, slog.Any("error", e.Err))
	}
	if stack := logStack(e); stack != "" {
		attrs = append(attrs, slog.String("stack", stack))
	}
	return attrs
}

// logStack is the stack of the checkout of a traced lease, or of the panic that
// e tells of.
func logStack(e Event) string {
	if e.Stack != "" {
		return e.Stack
	}
	if crash, ok := errors.AsType[*CrashError](e.Err); ok {
		return string(crash.Stack)
	}
	if start, ok := errors.AsType[*StartError](e.Err); ok {
		return string(start.Stack)
	}
	return ""
}
