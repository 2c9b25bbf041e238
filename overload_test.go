package pool_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/pooltender/pool"
	"github.com/pooltender/pool/pooltest"
)

func TestAnOverflowSlotThatBacksOffIsNoWorkerOnItsWay(t *testing.T) {
	inBubble(t, func(t *testing.T, reg *pool.Registry, b *pooltest.Backend) {
		p := start(t, reg, b, pool.Options{Size: 1, MaxOverflow: 1, MaxWaiting: 1})
		take(t, t.Context(), p)
		b.Always(pooltest.Script{Start: pooltest.Fail})
		first := ask(t.Context(), p)
		time.Sleep(time.Second)
		waiting(t, first)
		require.ErrorIs(t, refused(t, ask(t.Context(), p)), pool.ErrOverloaded)
		settle(t, p)
	})
}

func TestASlowOverflowWorkerDoesNotKeepTheSecondWaiterFromItsOwn(t *testing.T) {
	inBubble(t, func(t *testing.T, reg *pool.Registry, b *pooltest.Backend) {
		b.FailNext(4)
		p := start(t, reg, b, pool.Options{Size: 1, MaxOverflow: 1, AsyncStart: true})
		for b.Starts() < 4 {
			time.Sleep(10 * time.Millisecond)
		}
		settle(t, p)
		require.Equal(t, 1, p.Stats().BackingOff)
		b.Next(pooltest.Script{StartAfter: 20 * time.Second})
		first, second := ask(t.Context(), p), ask(t.Context(), p)
		waiting(t, second)
		require.Equal(t, 1, p.Stats().Starting)
		time.Sleep(time.Second) // the slot that backs off was due before
		lentTo(t, first)
		waiting(t, second)
		time.Sleep(20 * time.Second)
		lentTo(t, second)
		settle(t, p)
	})
}
