// Priorities shows two ways to keep what matters fast while a pool is flooded.
// In one pool, clients that matter more are served first: what they would wait
// if all were alike, and what they wait by priority. And what must not suffer
// at all gets a pool of its own: payments, before and while the reports beside
// it are flooded.
//
//	go run ./examples/priorities
package main

import (
	"context"
	"fmt"
	"io"
	"log"
	"os"
	"time"

	"github.com/pooltender/pool"
)

func main() {
	r, err := run(context.Background())
	if err != nil {
		log.Fatal(err)
	}
	r.print(os.Stdout)
}

// results are the latencies of each kind of client, in the order of kinds; the
// payments come before and while reports are flooded.
type results struct {
	alike, ranked   []latencies
	before, flooded latencies
	reports         latencies
}

// kinds are the clients of the one pool, the least important first. Those of low
// priority alone would keep it busy.
var kinds = []traffic{
	{clients: 40, terms: pool.Terms{Priority: pool.PriorityLow}},
	{clients: 8, terms: pool.Terms{Priority: pool.PriorityNormal}, pause: 16 * time.Millisecond},
	{clients: 4, terms: pool.Terms{Priority: pool.PriorityHigh}, pause: 16 * time.Millisecond},
	{clients: 2, terms: pool.Terms{Priority: pool.PriorityCritical}, pause: 16 * time.Millisecond},
}

func run(ctx context.Context) (*results, error) {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	reg := pool.NewRegistry()
	defer reg.Close()
	r := new(results)
	for _, part := range []func(context.Context, *pool.Registry) error{r.onePool, r.twoPools} {
		if err := part(ctx, reg); err != nil {
			return nil, err
		}
	}
	return r, reg.Shutdown(ctx)
}

func (r *results) onePool(ctx context.Context, reg *pool.Registry) (err error) {
	clerks, err := pool.Start(ctx, reg, "clerks", spec, pool.Options{Size: 4})
	if err != nil {
		return err
	}
	var alike, ranked []traffic
	for _, kind := range kinds {
		kind.pool = clerks
		alike = append(alike, kind)
		kind.pool = clerks.With(kind.terms)
		ranked = append(ranked, kind)
	}
	if r.alike, err = measure(ctx, alike...); err != nil {
		return err
	}
	r.ranked, err = measure(ctx, ranked...)
	return err
}

func (r *results) twoPools(ctx context.Context, reg *pool.Registry) error {
	payments, err := pool.Start(ctx, reg, "payments", spec, pool.Options{Size: 6})
	if err != nil {
		return err
	}
	reports, err := pool.Start(ctx, reg, "reports", spec, pool.Options{Size: 2})
	if err != nil {
		return err
	}
	paying := traffic{pool: payments, clients: 4, pause: 16 * time.Millisecond}
	before, err := measure(ctx, paying)
	if err != nil {
		return err
	}
	both, err := measure(ctx, paying, traffic{pool: reports, clients: 40})
	if err != nil {
		return err
	}
	r.before, r.flooded, r.reports = before[0], both[0], both[1]
	return nil
}

func (r *results) print(out io.Writer) {
	fmt.Fprintf(out, "One pool of 4 workers, 4 ms for each request, flooded with those of low priority.\n\n")
	fmt.Fprintf(out, "%-20s%10s%22s\n", "", "all alike", "by priority")
	fmt.Fprintf(out, "%-20s%10s%10s%12s%10s\n", "", "p50", "p99", "p50", "p99")
	for i, kind := range kinds {
		fmt.Fprintf(out, "%2d %-17v%10s%10s%12s%10s\n", kind.clients, kind.terms.Priority,
			r.alike[i].percentile(50), r.alike[i].percentile(99),
			r.ranked[i].percentile(50), r.ranked[i].percentile(99))
	}
	fmt.Fprintf(out, "\nTwo pools: 6 workers for payments, 2 for reports, which are flooded.\n\n")
	fmt.Fprintf(out, "%-20s%10s%10s\n", "", "p50", "p99")
	for _, row := range []struct {
		name string
		took latencies
	}{
		{"payments, before", r.before}, {"payments, meanwhile", r.flooded}, {"reports", r.reports},
	} {
		fmt.Fprintf(out, "%-20s%10s%10s\n", row.name, row.took.percentile(50), row.took.percentile(99))
	}
}
