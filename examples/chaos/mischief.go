package main

import (
	"context"
	"errors"
	"runtime"
	"time"
)

// act is what a hook does before its work, or instead of it.
type act string

const (
	fail   act = "fails"
	blow   act = "panics"
	exit   act = "calls Goexit"
	finish act = "returns"
	dawdle act = "is slow"
	hang   act = "hangs until told" // its context ends
	ignore act = "ignores what it is told, for a while"
)

// deaths are the ends of a Run.
var deaths = []act{fail, blow, exit, finish}

// errMischief is how hooks and clients fail that are told to.
var errMischief = errors.New("chaos: told to fail")

const deafness = 400 * time.Millisecond // longer than the timeouts of hooks that ignore them

func (a act) perform(ctx context.Context) error {
	switch a {
	case fail:
		return errMischief
	case blow:
		panic(errMischief)
	case exit:
		runtime.Goexit()
	case dawdle:
		return pause(ctx, 20*time.Millisecond)
	case hang:
		<-ctx.Done()
		return ctx.Err()
	case ignore:
		time.Sleep(deafness)
	}
	return nil
}

// pause waits, and returns the context's error if that ends first.
func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// mischief is what one hook of all workers of a pool does until it is over.
type mischief struct {
	hook  string
	act   act
	until time.Time
}

// befall does what the saboteur wants of the hook.
func (h *house) befall(ctx context.Context, hook string) error {
	m := h.mischief.Load()
	if m == nil || m.hook != hook || time.Now().After(m.until) {
		return nil
	}
	return m.act.perform(ctx)
}
