package pool_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"math"
	"reflect"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/pooltender/pool"
	"github.com/pooltender/pool/pooltest"
)

// Whatever the Options are, Validate names every field that is at fault, or they
// make a pool that lends, survives a crash and stops.
func FuzzOptions(f *testing.F) {
	f.Add([]byte{})
	f.Add([]byte{2, 3, 2, 2})
	f.Add([]byte{2, 1, 2, 2, 2, 255, 0, 1})
	f.Add(bytes.Repeat([]byte{4}, 30)) // all too large
	f.Add(bytes.Repeat([]byte{5}, 30)) // all too small
	f.Add([]byte{3, 128, 0, 0, 0, 0, 0, 0, 0, 4, 5})
	f.Fuzz(func(t *testing.T, data []byte) {
		options := optionsFrom(data)
		b := pooltest.NewBackend(t)
		b.Checks = true
		faulty := options.Validate()
		if faulty != nil {
			faults := map[string]any{}
			for _, fault := range faultsOf(t, faulty) {
				faults[fault.Field] = fault.Value
			}
			_, err := pool.Start(t.Context(), pooltest.NewRegistry(), "faulty", b.Spec(), options)
			require.EqualError(t, err, faulty.Error())
			mended := options
			leaves(&mended, func(name string, value reflect.Value) {
				if got, ok := faults[name]; ok {
					require.Equal(t, value.Interface(), got)
					value.SetZero()
				}
			})
			if mended.Size == 0 && mended.MaxOverflow <= 0 {
				mended.Size = 1
			}
			require.NoError(t, mended.Validate(), "a fault of %+v that was not named", options)
			options = mended
		}
		synctest.Test(t, func(t *testing.T) { leadLife(t, b, options) })
	})
}

// leadLife leads the life of a pool with these options, as far as a small one of
// its kind tells.
func leadLife(t *testing.T, b *pooltest.Backend, options pool.Options) {
	options.Size, options.MaxOverflow = min(options.Size, 5), min(options.MaxOverflow, 5)
	require.NoError(t, options.Validate())
	reg := pooltest.NewRegistry()
	defer pooltest.Close(t, reg)
	p := pooltest.StartIn(t, reg, b.Spec(), options)
	// The shortest limit decides how much happens in a time, and so for how long
	// the test may look.
	shortest := time.Second
	leaves(&options, func(_ string, limit reflect.Value) {
		if isDuration(limit) && limit.Int() > 0 {
			shortest = min(shortest, time.Duration(limit.Int()))
		}
	})
	ctx, cancel := context.WithTimeout(t.Context(), 10*shortest)
	defer cancel()
	for n := range 3 {
		lease, err := p.Checkout(ctx)
		if err != nil { // its limits are too narrow, or the time is
			require.True(t, errors.As(err, new(*pool.CheckoutError)), "%v", err)
			break
		}
		if n == 1 {
			lease.Worker().Crash(pooltest.ErrScripted)
		}
		_ = p.Inspect()
		synctest.Wait()
		require.Equal(t, n != 1 && lease.Err() == nil, lease.Checkin())
		synctest.Wait()
		pooltest.Check(t, p)
		time.Sleep(shortest)
	}
	shown := p.Inspect().Options
	require.NoError(t, shown.Validate(), "what Inspect shows makes such a pool, too")
	require.NoError(t, p.Stop(t.Context()))
	require.Equal(t, pool.StateStopped, p.Stats().State)
	for _, w := range b.Workers() {
		require.Equal(t, 1, w.Stops())
	}
}

// optionsFrom makes Options of bytes: for each field one that says of what kind its
// value is, and as many more as that takes. What is missing is zero.
func optionsFrom(data []byte) (options pool.Options) {
	next := func(n int) (taken [8]byte) {
		data = data[copy(taken[:n], data):]
		return taken
	}
	leaves(&options, func(_ string, field reflect.Value) {
		var value int64
		switch kind := next(1)[0]; kind % 8 {
		case 1:
			value = int64(int8(next(1)[0])) // -128 … 127
		case 2:
			value = int64(next(1)[0])
		case 3:
			taken := next(8)
			value = int64(binary.LittleEndian.Uint64(taken[:]))
		case 4:
			value = math.MaxInt64
		case 5:
			value = math.MinInt64
		case 6:
			value = int64(next(1)[0]) * int64(time.Millisecond)
		case 7:
			value = int64(next(1)[0]) * int64(365*24*time.Hour-1)
		}
		switch field.Kind() {
		case reflect.Bool:
			field.SetBool(value > 0)
		case reflect.String:
			words := []string{"", "recent", "lifo", "fifo", "replace", "reuse", "none of these"}
			field.SetString(words[uint64(value)%uint64(len(words))])
		default:
			field.Set(reflect.ValueOf(value).Convert(field.Type()))
		}
	})
	return options
}
