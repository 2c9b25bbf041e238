package main

import (
	"strings"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestWhatMattersIsFastAlthoughThePoolIsFlooded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, err := run(t.Context())
		require.NoError(t, err)
		var out strings.Builder
		r.print(&out)
		t.Logf("\n%s", &out)

		const low, critical = 0, 3
		for i, kind := range kinds {
			name := kind.terms.Priority
			assert.NotEmpty(t, r.ranked[i], "%v is served", name)
			assert.Greater(t, 2*r.alike[i].percentile(50), r.alike[low].percentile(50), "alike, %v waits as long", name)
			if i > low {
				assert.Less(t, 2*r.ranked[i].percentile(50), r.alike[i].percentile(50), "%v gains", name)
			}
		}
		assert.Less(t, 2*r.ranked[critical].percentile(99), r.ranked[low].percentile(50))

		assert.LessOrEqual(t, r.flooded.percentile(99), 2*r.before.percentile(99), "payments do not notice")
		assert.Greater(t, r.reports.percentile(50), 5*r.flooded.percentile(99))
		assert.Contains(t, out.String(), "payments, meanwhile")
	})
}
