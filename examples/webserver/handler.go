package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net/http"
	"strconv"
	"time"

	"github.com/pooltender/pool"
)

// renderer is costly to start and takes one page at a time.
type renderer struct{ slot pool.Slot }

// rendererSpec has no Run: a renderer does nothing on its own, and cannot die
// on its own either. It is replaced when a client retires it.
var rendererSpec = pool.Spec[*renderer]{Start: newRenderer}

func newRenderer(ctx context.Context) (*renderer, error) {
	select {
	case <-time.After(100 * time.Millisecond):
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	slot, _ := pool.SlotFrom(ctx)
	return &renderer{slot}, nil
}

func (r *renderer) render(ctx context.Context, title string, takes time.Duration) (string, error) {
	select {
	case <-time.After(takes):
		return fmt.Sprintf("%s, by renderer %d\n", title, r.slot.Index), nil
	case <-ctx.Done():
		return "", context.Cause(ctx)
	}
}

func (c *config) handler(reg *pool.Registry, renderers *pool.Pool[*renderer]) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /render/{title...}", func(w http.ResponseWriter, r *http.Request) { c.render(w, r, renderers) })
	mux.HandleFunc("GET /stats", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		out := json.NewEncoder(w)
		out.SetIndent("", "  ")
		_ = out.Encode(reg.Inspect())
	})
	return mux
}

// render answers with a page. The request's context is that of the lease: when
// the client goes away the renderer comes back.
func (c *config) render(w http.ResponseWriter, r *http.Request, renderers *pool.Pool[*renderer]) {
	began := time.Now()
	takes, err := time.ParseDuration(r.FormValue("takes"))
	if err != nil {
		takes = 100 * time.Millisecond
	}
	takes = min(takes, 5*time.Second)
	patient := renderers.With(pool.Terms{MaxWait: c.maxWait, Owner: r.RemoteAddr + " " + r.URL.Path})
	page, err := pool.Call(r.Context(), patient, func(ctx context.Context, worker *renderer) (string, error) {
		return worker.render(ctx, r.PathValue("title"), takes)
	})
	status := http.StatusOK
	switch refused, ok := errors.AsType[*pool.CheckoutError](err); {
	case err == nil:
		_, _ = w.Write([]byte(page))
	case r.Context().Err() != nil:
		status = 499 // the client has gone: nobody reads an answer
	case ok:
		status = http.StatusServiceUnavailable
		w.Header().Set("Retry-After", strconv.Itoa(retryAfter(refused.RetryAfter)))
		http.Error(w, "no renderer is free", status)
	default:
		status = http.StatusInternalServerError
		c.log.Error("not rendered", "path", r.URL.Path, "error", err)
		http.Error(w, "the page could not be rendered", status)
	}
	c.log.Debug("request", "path", r.URL.Path, "status", status, "took", time.Since(began), "error", err)
}

// retryAfter is d in whole seconds, as HTTP wants it: rounded up, at least 1.
func retryAfter(d time.Duration) int {
	return max(1, int(math.Ceil(d.Seconds())))
}
