package pool_test

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"text/tabwriter"

	"github.com/stretchr/testify/require"

	"github.com/pooltender/pool"
)

// The gate matrix: everything that a hook, or a function given by a client, can
// do, in every operation that calls it, and what comes of it. The tables are in
// the files gate_…_test.go, one for each hook.

// conduct is what a hook does when it is called.
type conduct string

const (
	ok      conduct = "ok"     // returns nil
	fails   conduct = "fail"   // returns an error
	panics  conduct = "panic"  // panics
	exits   conduct = "goexit" // calls runtime.Goexit
	slow    conduct = "slow"   // takes a second, whatever its context says
	hangs   conduct = "hang"   // blocks until its context is done, and returns that error
	ignores conduct = "ignore" // blocks for ever

	// These take a second too, and half of it they wait for their own pool.
	asks     conduct = "asks"      // what can be asked, and for a worker
	checksIn conduct = "checks in" // the lease of another worker
	retires  conduct = "retires"   // another worker that is lent
	resizes  conduct = "resizes"   // to one more
	restarts conduct = "restarts"  // and revokes the leases that are left
	stops    conduct = "stops"     // and revokes the leases that are left
)

var conducts = []conduct{
	ok, fails, panics, exits, slow, hangs, ignores, asks, checksIn, retires, resizes, restarts, stops,
}

// hookGate is a hook and all that calls it.
type hookGate struct {
	hook       string
	operations []operation
}

// operation is something that calls the hook.
type operation struct {
	name  string
	opts  pool.Options
	begin func(c *call) // has the hook called
	then  func(c *call) // happens while it runs
	alone bool          // no client comes while it runs
	cells []cells
}

// cells are those of conducts that have the same outcome.
type cells struct {
	of []conduct
	effect
}

// effect is what comes of a conduct, from the moment when the hook is called. A
// state or an event comes at once, or with the one before it, unless a time is
// given. In a told error * is the conduct. Where a cell cannot be, the others are
// empty.
type effect struct {
	slot   string // what is seen of its slot: each state, and since when
	client string // what the client gets that comes while the hook runs, and when
	told   string // the events of its slot
	cannot string // why there is no such cell
}

func on(of ...conduct) []conduct { return of }

// be says what comes of some conducts.
func be(of []conduct, slot, client, told string) cells {
	return cells{of, effect{slot: slot, client: client, told: told}}
}

// cannot says why some cells cannot be.
func cannot(of []conduct, why string) cells { return cells{of, effect{cannot: why}} }

// limits are those of every cell, each unlike the others: what takes as long
// tells which it was.
func limits(opts pool.Options) pool.Options {
	opts.StartTimeout, opts.CheckTimeout, opts.StopTimeout = startLimit, checkLimit, stopLimit
	return opts
}

var gates = []hookGate{startGate, runGate, resetGate, checkGate, stopGate, clientGate, listenerGate}

func TestTheGateMatrix(t *testing.T) {
	t.Cleanup(func() { // when all cells have run
		if testing.Verbose() {
			t.Log(matrix())
		}
	})
	for _, g := range gates {
		for _, o := range g.operations {
			for _, row := range o.cells {
				for _, conduct := range row.of {
					if row.cannot != "" {
						continue
					}
					want := row.effect
					want.told = strings.ReplaceAll(want.told, "*", g.hook+" "+string(conduct))
					want.client = strings.ReplaceAll(want.client, "*", g.hook+" "+string(conduct))
					t.Run(fmt.Sprintf("%s/%s/%s", g.hook, o.name, conduct), func(t *testing.T) {
						t.Parallel()
						synctest.Test(t, func(t *testing.T) {
							c := newCall(t, g.hook, o, conduct)
							defer c.close()
							require.Equal(t, want, c.observe())
							c.conclude()
						})
					})
				}
			}
		}
	}
}

// matrix is all of it as a table. Operations that are alike share their rows.
func matrix() string {
	var b strings.Builder
	table := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	for _, g := range gates {
		fmt.Fprintf(table, "\n%s\tslot\tclient\tevents\n", strings.ToUpper(g.hook))
		for rest := g.operations; len(rest) > 0; {
			alike := 1
			for alike < len(rest) && reflect.DeepEqual(rest[alike].cells, rest[0].cells) {
				alike++
			}
			for _, o := range rest[:alike] {
				fmt.Fprintf(table, "%s\n", o.name)
			}
			for _, row := range rest[0].cells {
				var of []string
				for _, conduct := range row.of {
					of = append(of, string(conduct))
				}
				what := row.slot + "\t" + row.client + "\t" + row.told
				if row.cannot != "" {
					what = "cannot be: " + row.cannot
				}
				fmt.Fprintf(table, "  %s\t%s\n", strings.Join(of, " | "), what)
			}
			rest = rest[alike:]
		}
	}
	_ = table.Flush()
	return b.String()
}

func TestTheGateMatrixIsComplete(t *testing.T) {
	t.Parallel()
	for _, g := range gates {
		require.NotEmpty(t, g.operations)
		for _, o := range g.operations {
			var all []conduct
			for _, row := range o.cells {
				all = append(all, row.of...)
				require.NotEqual(t, row.cannot == "", row.slot == "", "%s: %s: %v", g.hook, o.name, row.of)
			}
			require.ElementsMatch(t, conducts, all, "%s: %s: each conduct once", g.hook, o.name)
		}
	}
	for hook := range reflect.TypeFor[pool.Spec[int]]().Fields() {
		require.True(t, slices.ContainsFunc(gates, func(g hookGate) bool { return g.hook == strings.ToLower(hook.Name) }), hook.Name)
	}
	called := slices.Concat(clientGate.operations, listenerGate.operations)
	for _, typ := range []reflect.Type{reflect.TypeFor[*pool.Pool[int]](), reflect.TypeFor[*pool.Group[int]](), reflect.TypeFor[*pool.Registry]()} {
		for method := range typ.Methods() {
			for in := range method.Type.Ins() {
				if in.Kind() == reflect.Func {
					named := func(o operation) bool { return strings.Contains(o.name, "of "+method.Name) }
					require.True(t, slices.ContainsFunc(called, named), "%v", method)
				}
			}
		}
	}
}
