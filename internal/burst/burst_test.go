package burst_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/pooltender/pool/internal/burst"
)

func TestABurstIsMoreThanSoManyWithinASecond(t *testing.T) {
	t.Parallel()
	const ms = time.Millisecond
	for name, test := range map[string]struct {
		most   int
		events []time.Duration
		bursts []int // which of them
	}{
		"one alone":                          {1, []time.Duration{0}, nil},
		"none is allowed":                    {0, []time.Duration{0}, []int{0}},
		"two at once":                        {1, []time.Duration{0, 0}, []int{1}},
		"as many as are allowed":             {3, []time.Duration{0, 0, 0}, nil},
		"one more":                           {3, []time.Duration{0, 0, 0, 0}, []int{3}},
		"just within the second":             {1, []time.Duration{0, time.Second - 1}, []int{1}},
		"a second apart":                     {1, []time.Duration{0, time.Second}, nil},
		"the window slides":                  {2, []time.Duration{0, 600 * ms, 1100 * ms, 1599 * ms}, []int{3}},
		"the window has slid":                {2, []time.Duration{0, 600 * ms, 1100 * ms, 1600 * ms}, nil},
		"it is not said twice in the second": {1, []time.Duration{0, 0, 1, 2, time.Second - 1}, []int{1}},
		"what came in it does not count":     {1, []time.Duration{0, 0, time.Second - 1, time.Second}, []int{1}},
		"the next one":                       {1, []time.Duration{0, 0, time.Second, time.Second}, []int{1, 3}},
	} {
		var b burst.Burst
		var bursts []int
		start := time.Now()
		for i, at := range test.events {
			if b.Note(start.Add(at), test.most) {
				bursts = append(bursts, i)
			}
		}
		assert.Equal(t, test.bursts, bursts, name)
	}
}
