package main

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/pooltender/pool"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// show runs the show in virtual time.
func show(t *testing.T, c config, check func(t *testing.T, r *report, live []string)) {
	synctest.Test(t, func(t *testing.T) {
		var live []string
		r, err := c.run(t.Context(), func(line string) { live = append(live, line) })
		require.NoError(t, err)
		t.Logf("\n%v", r)
		check(t, r, live)
	})
}

func TestThePoolsFollowTheLoad(t *testing.T) {
	show(t, config{bursts: 3, clients: 8}, func(t *testing.T, r *report, live []string) {
		require.Less(t, time.Since(r.began), 6*time.Second)
		require.Len(t, live, len(r.panels[0].seen))
		require.True(t, r.good())
		for _, p := range r.panels {
			require.Equal(t, (2+5+8)*calls, p.served)
			last := p.seen[len(p.seen)-1]
			require.Equal(t, p.options.Size, workers(last), "%s is back at its Size", p.name)
			for _, s := range p.seen {
				require.LessOrEqual(t, workers(s), most)
			}
		}

		elastic, lazy, resized := r.panels[0], r.panels[1], r.panels[2]
		require.Equal(t, []int{2, 5, 6}, peaks(r, elastic), "two clients need no more than Size")
		require.EqualValues(t, 2+3+4, elastic.starts.Load())
		require.Equal(t, []int{2, 5, 6}, peaks(r, lazy))
		require.EqualValues(t, 2+5+6, lazy.starts.Load())
		require.Equal(t, []int{2, 2, 6}, peaks(r, resized))
		for _, p := range []*panel{elastic, lazy} {
			require.Contains(t, p.settled(), "after")
			at, _ := r.burst(1)
			require.Equal(t, p.options.Size, workers(p.seen[at-1]), "%s shrinks between bursts", p.name)
		}
		at, clients := r.burst(2)
		require.Equal(t, clients, resized.seen[at+1].Waiting, "a pool that pauses keeps its clients")
		require.Zero(t, workers(resized.seen[at+1]))
		require.Equal(t, "never beyond", resized.settled())
		require.Less(t, elastic.longest, lazy.longest+work)
		require.Greater(t, resized.longest, 7*tick)
	})
}

// peaks is the most workers of a pool in each burst and the quiet after it.
func peaks(r *report, p *panel) (peaks []int) {
	for n := range r.bursts {
		begin, _ := r.burst(n)
		end, _ := r.burst(n + 1)
		peak := 0
		for _, s := range p.seen[begin:min(end, len(p.seen))] {
			peak = max(peak, workers(s))
		}
		peaks = append(peaks, peak)
	}
	return peaks
}

func TestWhatIsPrintedExplainsItself(t *testing.T) {
	show(t, config{bursts: 3, clients: 8}, func(t *testing.T, r *report, live []string) {
		for _, want := range []string{
			legend, "elastic (Size 2, MaxOverflow 4)", "lazy (Size 0, MaxOverflow 6)", "resized (Size 2)",
			"↑Resize(0) ", "↑Resize(6) ", "↑Resize(2)\n", "↑burst of 2 ", "↑burst of 8\n", "5 s\n",
			"Of 315 calls 315 were served and 0 refused.",
		} {
			require.Contains(t, r.String(), want)
		}
		for line := range strings.Lines(r.String() + strings.Join(live, "\n")) {
			require.LessOrEqual(t, utf8.RuneCountInString(strings.TrimSuffix(line, "\n")), 80, line)
		}
		at, _ := r.burst(2)
		require.Regexp(t, `^ 3\.4 s   elastic █+\+* +\d wait   lazy \+{6}  \d wait   resized  {6}  8 wait$`, live[at])
	})
}

func TestTheLargestShowIsNotTooWide(t *testing.T) {
	show(t, config{bursts: 4, clients: 12}, func(t *testing.T, r *report, live []string) {
		require.True(t, r.good())
		for line := range strings.Lines(r.String() + strings.Join(live, "\n")) {
			require.LessOrEqual(t, utf8.RuneCountInString(strings.TrimSuffix(line, "\n")), 100, line)
		}
	})
}

func TestTheSmallestShowNeedsNobodyBeyondSize(t *testing.T) {
	show(t, config{bursts: 1, clients: 1}, func(t *testing.T, r *report, _ []string) {
		require.True(t, r.good())
		require.Equal(t, "never beyond", r.panels[0].settled())
		require.EqualValues(t, 2, r.panels[0].starts.Load())
		require.EqualValues(t, 1, r.panels[1].starts.Load())
	})
}

func TestAWorkerIsDrawnByWhatItDoes(t *testing.T) {
	s := pool.Stats{Leased: 2, Idle: 1, Starting: 1}
	require.Equal(t, "██░+ ", string([]rune{mark(s, 1), mark(s, 2), mark(s, 3), mark(s, 4), mark(s, 5)}))
}

func TestWrongFlagsAreRefusedByName(t *testing.T) {
	for flag, wrong := range map[string][]config{
		"-bursts":  {{bursts: 0, clients: 8}, {bursts: 5, clients: 8}},
		"-clients": {{bursts: 3, clients: 0}, {bursts: 3, clients: 13}},
	} {
		for _, c := range wrong {
			_, err := c.run(t.Context(), nil)
			require.ErrorContains(t, err, flag)
		}
	}
}
