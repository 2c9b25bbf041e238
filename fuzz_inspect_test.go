package pool_test

import (
	"bytes"
	"context"
	"encoding"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/pooltender/pool"
	"github.com/pooltender/pool/pooltest"
)

// Whatever has happened in a pool, and however it, its clients and its errors are
// called, what Inspect gives is in JSON to the last field, and nothing else.
func FuzzInspectJSON(f *testing.F) {
	f.Add("pool", "owner", "key", "it failed", []byte("lwck"))
	f.Add("a\x00b\xff", "<&>", "\u2028", "\"\\", []byte("llwwtrszd"))
	f.Add(" ", "", "", "", []byte("bhgmiwwlw"))
	f.Fuzz(func(t *testing.T, name, owner, key, text string, program []byte) {
		synctest.Test(t, func(t *testing.T) {
			b := pooltest.NewBackend(t)
			defer b.Release()
			reg := pooltest.NewRegistry()
			defer reg.Close()
			p, err := pool.Start(t.Context(), reg, name, b.Spec(), pool.Options{
				Size: 2, MaxOverflow: 1, TraceLeases: 2, QueueTarget: time.Second, StopTimeout: time.Second,
			})
			if err != nil {
				require.Empty(t, name, "%v", err)
				return
			}
			play(t, b, p.With(pool.Terms{Owner: owner, Key: key}), errors.New(text), program[:min(len(program), 20)])
			comesBack(t, reg.Inspect())
			comesBack(t, p.Stats())
		})
	})
}

// play does with the pool what each byte says.
func play(t *testing.T, b *pooltest.Backend, p fakes, failure error, program []byte) {
	var leases []fakeLease
	acts := []func(){
		func() {
			if lease, err := p.TryCheckout(t.Context()); err == nil {
				leases = append(leases, lease)
			}
		},
		func() { ask(t.Context(), p.With(pool.Terms{Priority: pool.PriorityHigh})) },
		func() { ask(cancelledAfter(t, time.Second), p) },
		func() { ask(t.Context(), p) },
		func() { b.Next(pooltest.Script{Start: pooltest.Fail}) },
		func() { b.Next(pooltest.Script{Start: pooltest.Ignore}) },
		func() { b.Next(pooltest.Script{Stop: pooltest.Ignore}) },
		func() { b.Next(pooltest.Script{Reset: pooltest.Panic}) },
		func() { pooltest.KillWorker(p, 0) },
		func() { pooltest.KillManager(p, pooltest.AtIdle) },
		func() { _ = p.Resize(cancelled, 1) },
		func() { _ = p.Resize(cancelled, 3) },
		func() { _ = p.Recycle(cancelled) },
		func() { time.Sleep(time.Second) },
		func() { time.Sleep(time.Minute) },
	}
	ends := []func(fakeLease){
		func(l fakeLease) { l.Checkin() },
		func(l fakeLease) { l.Retire(failure) },
		func(l fakeLease) { l.Worker().Crash(failure) },
		func(l fakeLease) { l.Worker().Panic(failure) },
	}
	for _, code := range program {
		if act := int(code) % (len(acts) + len(ends)); act < len(acts) {
			acts[act]()
		} else if len(leases) > 0 {
			ends[act-len(acts)](leases[0])
			leases = leases[1:]
		}
		synctest.Wait()
	}
}

// cancelledAfter is a context that ends after a while.
func cancelledAfter(t *testing.T, d time.Duration) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), d)
	t.Cleanup(cancel)
	return ctx
}

// comesBack expects that all of a value is in its JSON, under the name of its
// field, and that there is nothing else.
func comesBack(t *testing.T, value any) {
	t.Helper()
	text, err := json.Marshal(value)
	require.NoError(t, err)
	again, err := json.Marshal(value)
	require.NoError(t, err)
	require.Equal(t, text, again)
	var read any
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.UseNumber()
	require.NoError(t, decoder.Decode(&read))
	requireSame(t, reflect.ValueOf(value), read, "")
}

// requireSame compares a value with what was read of it.
func requireSame(t *testing.T, value reflect.Value, read any, where string) {
	t.Helper()
	switch v := value.Interface().(type) {
	case error:
		require.Equal(t, inJSON(v.Error()), read, where)
	case encoding.TextMarshaler: // times, too
		text, err := v.MarshalText()
		require.NoError(t, err)
		require.Equal(t, string(text), read, where)
	case pool.Options:
		text, err := json.Marshal(read)
		require.NoError(t, err)
		var options pool.Options
		require.NoError(t, json.Unmarshal(text, &options))
		require.Equal(t, v, options, where)
	case bool:
		require.Equal(t, v, read, where)
	default:
		switch value.Kind() {
		case reflect.Struct:
			requireSameFields(t, value, read, where)
		case reflect.Pointer:
			requireSame(t, value.Elem(), read, where)
		case reflect.Slice:
			items, ok := read.([]any)
			require.True(t, ok && len(items) == value.Len(), where)
			for i, item := range items {
				requireSame(t, value.Index(i), item, fmt.Sprintf("%s[%d]", where, i))
			}
		case reflect.String:
			require.Equal(t, inJSON(value.String()), read, where)
		default:
			require.Equal(t, json.Number(fmt.Sprintf("%d", v)), read, where)
		}
	}
}

func requireSameFields(t *testing.T, value reflect.Value, read any, where string) {
	t.Helper()
	fields, ok := read.(map[string]any)
	require.True(t, ok, where)
	for _, field := range reflect.VisibleFields(value.Type()) {
		name, option, _ := strings.Cut(field.Tag.Get("json"), ",")
		got, there := fields[name]
		v, place := value.FieldByIndex(field.Index), where+"."+name
		require.Equal(t, there, option != "omitempty" || !isNothing(v), place)
		if !there {
			continue
		}
		requireSame(t, v, got, place)
		delete(fields, name)
	}
	require.Empty(t, fields, where)
}

// isNothing reports whether there is nothing to write: an error without a text is
// left out, too.
func isNothing(value reflect.Value) bool {
	err, ok := value.Interface().(error)
	return value.IsZero() || ok && err.Error() == ""
}

// inJSON is what becomes of a text that may not be UTF-8.
func inJSON(text string) string { return string([]rune(text)) }
