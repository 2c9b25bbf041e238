package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"sync"
	"syscall"
	"time"

	"github.com/pooltender/pool"
)

// demo serves on a free port, to a burst of clients of its own, and ends while
// the last page is being rendered.
func (c *config) demo(ctx context.Context, out io.Writer, terminate func()) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	served := make(chan error, 1)
	go func() { served <- c.serve(ctx, listener) }()

	v := &visitors{out: out, url: "http://" + listener.Addr().String(), answers: make(map[int]int)}
	defer v.client.CloseIdleConnections()
	v.burst(ctx, 40)
	err = v.look(ctx)
	if err == nil {
		err = v.leave(ctx)
	}
	if err == nil {
		err = v.stay(ctx, terminate)
	}
	terminate()
	if ended := <-served; ended != nil {
		return ended
	}
	if err == nil {
		fmt.Fprintln(out, "The server has ended; nothing is left of it.")
	}
	return err
}

// terminate returns a function that sends this process a SIGTERM, once. Where
// there are no signals it does what the signal would.
func terminate(stop func()) func() {
	return sync.OnceFunc(func() {
		self, err := os.FindProcess(os.Getpid())
		if err != nil || self.Signal(syscall.SIGTERM) != nil {
			stop()
		}
	})
}

// visitors are the clients of the demo.
type visitors struct {
	out        io.Writer
	url        string
	client     http.Client
	mu         sync.Mutex
	answers    map[int]int // by status
	retryAfter string
}

func (v *visitors) get(ctx context.Context, path string) (status int, body []byte, err error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, v.url+path, nil)
	if err != nil {
		return 0, nil, err
	}
	response, err := v.client.Do(request)
	if err != nil {
		return 0, nil, err
	}
	defer response.Body.Close()
	body, err = io.ReadAll(response.Body)
	v.mu.Lock()
	defer v.mu.Unlock()
	v.answers[response.StatusCode]++
	if after := response.Header.Get("Retry-After"); after != "" {
		v.retryAfter = after
	}
	return response.StatusCode, body, err
}

// burst sends so many requests at once.
func (v *visitors) burst(ctx context.Context, n int) {
	var all sync.WaitGroup
	for i := range n {
		all.Go(func() { _, _, _ = v.get(ctx, fmt.Sprintf("/render/page-%d", i)) })
	}
	all.Wait()
	fmt.Fprintf(v.out, "%d clients at once: %d were served (200), %d were told to come back after %s s (503).\n",
		n, v.answers[http.StatusOK], v.answers[http.StatusServiceUnavailable], v.retryAfter)
}

// look prints what the pool says of the burst.
func (v *visitors) look(ctx context.Context) error {
	s, err := v.stats(ctx)
	if err != nil {
		return err
	}
	fmt.Fprintf(v.out, "/stats says: %s, %d renderers and %d more for the burst; %d checkouts, %d of them waited, %d were refused.\n",
		s.State, s.Size, s.Overflow, s.Checkouts, s.Waited, s.Shed)
	return nil
}

// stats are a few of the numbers at /stats.
type stats struct {
	State                                           pool.State
	Size, Overflow, Leased, Checkouts, Waited, Shed int
}

func (v *visitors) stats(ctx context.Context) (stats, error) {
	_, body, err := v.get(ctx, "/stats")
	if err != nil {
		return stats{}, err
	}
	var info struct{ Pools []struct{ Stats stats } }
	if err := json.Unmarshal(body, &info); err != nil {
		return stats{}, err
	}
	return info.Pools[0].Stats, nil
}

// until looks at /stats until it says so.
func (v *visitors) until(ctx context.Context, so func(stats) bool) error {
	for {
		if s, err := v.stats(ctx); err != nil || so(s) {
			return err
		}
	}
}

// leave asks for a page that takes seconds, and goes away.
func (v *visitors) leave(ctx context.Context) error {
	brief, cancel := context.WithTimeout(ctx, 100*time.Millisecond)
	defer cancel()
	if _, _, err := v.get(brief, "/render/never-read?takes=5s"); err == nil {
		return errors.New("the page came too soon")
	}
	gone := time.Now()
	if err := v.until(ctx, func(s stats) bool { return s.Leased == 0 }); err != nil {
		return err
	}
	fmt.Fprintf(v.out, "A client goes away while its page is being rendered; within %v the renderer is free again.\n",
		time.Since(gone).Round(10*time.Microsecond))
	return nil
}

// stay asks for a page that takes long, and has the server ended meanwhile.
func (v *visitors) stay(ctx context.Context, terminate func()) error {
	answered := make(chan error, 1)
	var status int
	var body []byte
	go func() {
		var err error
		status, body, err = v.get(context.WithoutCancel(ctx), "/render/the-long-one?takes=600ms")
		answered <- err
	}()
	if err := v.until(ctx, func(s stats) bool { return s.Leased == 1 }); err != nil {
		return err
	}
	fmt.Fprintln(v.out, "SIGTERM comes while a long page is being rendered.")
	v.client.CloseIdleConnections() // for one that was never used http.Server waits 5 s
	terminate()
	if err := <-answered; err != nil {
		return err
	}
	fmt.Fprintf(v.out, "It is answered all the same: %d, %s", status, body)
	return nil
}
