package pool_test

import (
	"runtime"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/pooltender/pool"
	"github.com/pooltender/pool/pooltest"
)

func TestShutdownsThatMeetAtTheEndAllReportWhatDidNotEnd(t *testing.T) {
	inBubble(t, func(t *testing.T, _ *pool.Registry, b *pooltest.Backend) {
		stuck := pooltest.NewBackend(t)
		stuck.Always(pooltest.Script{Stop: pooltest.Ignore})
		defer stuck.Release()
		for range 100 {
			reg := pooltest.NewRegistry()
			start(t, reg, stuck, pool.Options{Size: 1})
			p := start(t, reg, b, pool.Options{Size: 1})
			lease := take(t, t.Context(), p)
			first := inBackground(func() error { return reg.Shutdown(t.Context()) })
			time.Sleep(10 * time.Second) // the stuck one is a zombie by now, and its pool gone
			lease.Checkin()
			for _, err := reg.Pool(p.Name()); err == nil; _, err = reg.Pool(p.Name()) {
				runtime.Gosched()
			}
			require.ErrorAs(t, reg.Shutdown(t.Context()), new(*pool.StopError))
			require.ErrorAs(t, <-first, new(*pool.StopError))
		}
	})
}
