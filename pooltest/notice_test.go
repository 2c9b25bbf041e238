package pooltest_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/pooltender/pool"
	"github.com/pooltender/pool/pooltest"
)

// recorder is a test that must fail: it notes what it is told, and runs its
// cleanups when asked to.
type recorder struct {
	testing.TB
	told     []string
	cleanups []func()
}

func (r *recorder) Helper() {}
func (r *recorder) Errorf(format string, args ...any) {
	r.told = append(r.told, fmt.Sprintf(format, args...))
}
func (r *recorder) Cleanup(fn func()) { r.cleanups = append(r.cleanups, fn) }

func (r *recorder) end() string {
	for i := len(r.cleanups) - 1; i >= 0; i-- {
		r.cleanups[i]()
	}
	return strings.Join(r.told, "\n")
}

func TestALeaseThatWasNotCheckedInIsNoticed(t *testing.T) {
	r := &recorder{TB: t}
	p := pooltest.New(r, "red", "green")
	_, err := p.Checkout(t.Context())
	require.NoError(t, err)
	require.Contains(t, r.end(), "1 leases of pool")
}

func TestAGoroutineThatIsLeftIsNoticed(t *testing.T) {
	r := &recorder{TB: t}
	b := pooltest.NewBackend(t)
	b.Always(pooltest.Script{Run: pooltest.Ignore})
	pooltest.Start(r, b.Spec(), pool.Options{Size: 1, StopTimeout: time.Millisecond})
	told := r.end()
	require.Contains(t, told, "run of")
	require.Contains(t, told, "are left")
	require.Contains(t, told, "pooltest.(*Worker).run", "with their stacks")
	b.Release()
}

func TestTwoHoldersAreNoticed(t *testing.T) {
	r := &recorder{TB: t}
	b := pooltest.NewBackend(r)
	p := pooltest.Start(t, b.Spec(), pool.Options{Size: 1})
	lease, err := p.Checkout(t.Context())
	require.NoError(t, err)
	lease.Worker().Use(func() { lease.Worker().Use(func() {}) })
	require.Contains(t, r.end(), "has 2 holders")
	lease.Checkin()
}
