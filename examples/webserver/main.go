// Webserver puts an HTTP server in front of a few costly workers, here
// renderers that take one page at a time. A request that finds no renderer
// within the time it may wait gets a 503 with Retry-After; one whose client
// goes away gives its renderer back; a SIGTERM lets what has begun end, and
// leaves nothing behind.
//
//	go run ./examples/webserver          # serves on 127.0.0.1:8080: /render and /stats
//	go run ./examples/webserver -demo    # a burst of clients, and a SIGTERM
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/pooltender/pool"
)

func main() {
	c := config{
		pool:    pool.Options{Size: 3, MaxOverflow: 1, MaxWaiting: 8},
		maxWait: 500 * time.Millisecond,
	}
	flag.StringVar(&c.addr, "addr", "127.0.0.1:8080", "address to serve on; port 0: any")
	flag.IntVar(&c.pool.Size, "size", c.pool.Size, "renderers")
	flag.DurationVar(&c.maxWait, "max-wait", c.maxWait, "how long a request waits for a renderer")
	flag.DurationVar(&c.drain, "drain", 10*time.Second, "how long requests may go on after SIGTERM")
	demo := flag.Bool("demo", false, "serve on a free port to a burst of clients, then end")
	verbose := flag.Bool("v", false, "log every request")
	flag.Parse()
	level := slog.LevelInfo
	if *verbose {
		level = slog.LevelDebug
	}
	c.log = slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: level}))

	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop) // a second signal ends the program at once
	run := c.run
	if *demo {
		run = func(ctx context.Context) error { return c.demo(ctx, os.Stdout, terminate(stop)) }
	}
	if err := run(ctx); err != nil {
		stop()
		c.log.Error("webserver", "error", err)
		os.Exit(1)
	}
}

type config struct {
	addr    string
	pool    pool.Options
	maxWait time.Duration
	drain   time.Duration
	log     *slog.Logger
}

// run serves until ctx is done.
func (c *config) run(ctx context.Context) error {
	listener, err := net.Listen("tcp", c.addr)
	if err != nil {
		return err
	}
	return c.serve(ctx, listener)
}

// serve serves until ctx is done, then lets what has begun end: first the
// requests, then the pools, within the drain timeout for both.
func (c *config) serve(ctx context.Context, listener net.Listener) error {
	defer listener.Close()
	reg := pool.NewRegistry(pool.RegistryOptions{Logger: c.log})
	defer reg.Close()
	renderers, err := pool.Start(ctx, reg, "renderers", rendererSpec, c.pool)
	if err != nil {
		return err
	}
	server := &http.Server{
		Handler:           c.handler(reg, renderers),
		ReadHeaderTimeout: 5 * time.Second,
		ErrorLog:          slog.NewLogLogger(c.log.Handler(), slog.LevelWarn),
	}
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	c.log.Info("serving", "url", "http://"+listener.Addr().String())

	select {
	case err := <-served:
		return err
	case <-ctx.Done():
	}
	c.log.Info("ending", "leased", renderers.Stats().Leased, "waiting", renderers.Stats().Waiting)
	drain, cancel := context.WithTimeout(context.WithoutCancel(ctx), c.drain)
	defer cancel()
	err = server.Shutdown(drain)
	if err != nil { // too slow: their contexts end, and their leases with them
		err = errors.Join(fmt.Errorf("requests were cut off: %w", err), server.Close())
	}
	if err := errors.Join(err, reg.Shutdown(drain)); err != nil {
		return err
	}
	c.log.Info("ended")
	return nil
}
