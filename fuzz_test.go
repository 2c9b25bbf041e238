package pool_test

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/pooltender/pool"
)

// Whatever is read as Options is written and read again as the same, and
// Validate has an answer to it.
func FuzzOptionsJSON(f *testing.F) {
	f.Add([]byte(`{"size": 3, "max_overflow": 2, "order": "fifo", "max_wait": "5s"}`))
	f.Add([]byte(`{"size": -1, "backoff": {"min": "1h", "max": 1000}, "reclaim": "never"}`))
	f.Add([]byte(`{"size": 1e3, "unknown": null}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		var read, again pool.Options
		if json.Unmarshal(data, &read) != nil {
			require.Zero(t, read)
			return
		}
		_ = read.Validate()
		text, err := json.Marshal(read)
		require.NoError(t, err)
		require.NoError(t, json.Unmarshal(text, &again))
		require.Equal(t, read, again)
	})
}
