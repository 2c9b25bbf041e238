package pool

import (
	"context"
	"errors"
	"fmt"
	"reflect"

	"github.com/pooltender/pool/internal/hatch"
)

// Start makes a pool under a name and waits until Options.Size workers are up.
// ctx bounds that waiting and nothing else. With Options.AsyncStart it does not
// wait.
//
// If a worker fails to start, or ctx ends before all are up, nothing is left
// running, the name is free again, and the error wraps the [*StartError] (for a
// worker that came up and died at once, the [*CrashError]) or the context's
// error. Wrong arguments are all reported at once, each an [*OptionError]. If the
// name is taken Start returns ErrExists, if the registry is shutting down or
// the pool is stopped meanwhile, ErrStopped.
func Start[W any](ctx context.Context, reg *Registry, name string, spec Spec[W], opts Options) (*Pool[W], error) {
	p, err := enter(ctx, reg, name, spec, opts)
	if err != nil {
		return nil, err
	}
	if !opts.AsyncStart {
		if err := p.core.awaitStart(ctx); err != nil {
			return nil, err
		}
	}
	return p, nil
}

// Ensure returns the pool of that name, or starts it. Callers at the same time
// share one start and its error, unless that is the end of another caller's ctx;
// each waits for it as long as its own ctx allows. A pool that exists keeps its spec and options; if its workers are of
// another type Ensure returns ErrWrongType. One that is being stopped is waited
// for, and another started.
func Ensure[W any](ctx context.Context, reg *Registry, name string, spec Spec[W], opts Options) (*Pool[W], error) {
	if err := validate(ctx, reg, name, spec, opts); err != nil {
		return nil, err
	}
	for {
		p, err := Lookup[W](reg, name)
		switch {
		case err == nil:
			if err := p.core.joinStart(ctx); !errors.Is(err, errGone) {
				if err != nil {
					return nil, err
				}
				return p, nil
			}
			select { // it is being stopped: the name will be free
			case <-p.core.stopped:
			case <-ctx.Done():
				return nil, ctx.Err()
			}
			continue
		case !errors.Is(err, ErrNotFound):
			return nil, err
		}
		p, err = Start(ctx, reg, name, spec, opts)
		if !errors.Is(err, ErrExists) {
			return p, err
		}
	}
}

// Lookup returns the pool of that name. It returns ErrNotFound if there is
// none, and ErrWrongType, naming both types, if its workers are not of type W.
func Lookup[W any](reg *Registry, name string) (*Pool[W], error) {
	if reg == nil {
		return nil, errNoRegistry
	}
	c, err := reg.find(name)
	if err != nil {
		return nil, err
	}
	if p, ok := c.control.(*Pool[W]); ok {
		return p, nil
	}
	return nil, fmt.Errorf("%w: those of %q are %s, not %s", ErrWrongType, name, c.workerType, reflect.TypeFor[W]())
}

var errNoPool = &OptionError{Field: "pool", Value: nil, Reason: "must be one made by Start"}

var errNoRegistry = &OptionError{Field: "registry", Value: nil, Reason: "must be one made by NewRegistry"}

func enter[W any](ctx context.Context, reg *Registry, name string, spec Spec[W], opts Options) (*Pool[W], error) {
	if err := validate(ctx, reg, name, spec, opts); err != nil {
		return nil, err
	}
	c := newCore(reg, name, spec.hooks(), opts.withDefaults())
	c.workerType = reflect.TypeFor[W]().String()
	p := &Pool[W]{core: c}
	c.control = p
	if err := reg.enter(c); err != nil {
		return nil, err
	}
	return p, nil
}

// validate reports everything that is wrong with the arguments of a start.
func validate[W any](ctx context.Context, reg *Registry, name string, spec Spec[W], opts Options) error {
	var errs []error
	if ctx == nil {
		errs = append(errs, errNilContext)
	}
	if reg == nil || reg.events == nil {
		errs = append(errs, errNoRegistry)
	}
	if name == "" {
		errs = append(errs, &OptionError{Field: "name", Value: name, Reason: "must not be empty"})
	}
	if spec.Start == nil {
		errs = append(errs, &OptionError{Field: "Spec.Start", Value: nil, Reason: "must be a function that makes a worker"})
	}
	if err := opts.Validate(); err != nil {
		errs = append(errs, err)
	}
	if opts.CheckEvery > 0 && spec.Check == nil {
		errs = append(errs, &OptionError{Field: "CheckEvery", Value: opts.CheckEvery, Reason: "must not be set without Spec.Check"})
	}
	return errors.Join(errs...)
}

func init() {
	hatch.Open = func(control any) hatch.Pool {
		if c, ok := control.(Control); ok {
			return c.inside()
		}
		return nil
	}
}
