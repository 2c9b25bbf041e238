package pool_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/pooltender/pool"
	"github.com/pooltender/pool/pooltest"
)

// What an item of a stream costs, beside a call.
func BenchmarkStream(b *testing.B) {
	p := pooltest.New(b, 1, 2, 3, 4)
	ctx, cancel := context.WithCancel(b.Context())
	defer cancel()
	nothing := func(context.Context, int) error { return nil }
	b.Run("Do", func(b *testing.B) {
		b.ReportAllocs()
		for range b.N {
			require.NoError(b, p.Do(ctx, nothing))
		}
	})
	b.Run("ForEach", func(b *testing.B) {
		b.ReportAllocs()
		require.NoError(b, pool.ForEach(ctx, p, numbers(b.N), func(context.Context, int, int) error { return nil }))
	})
	for name, o := range map[string]pool.MapOptions{"Map": {}, "Unordered": {Unordered: true}} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for _, err := range pool.Map(ctx, p, numbers(b.N), func(_ context.Context, _, n int) (int, error) { return n, nil }, o) {
				require.NoError(b, err)
			}
		})
	}
}
