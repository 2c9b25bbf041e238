package restart_test

import (
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
)

// band is what is allowed, both ends included; the zero band allows only zero.
type band [2]float64

// row is a world and what must come of it with every seed. Times are in seconds.
type row struct {
	name string
	world
	vary      time.Duration // the outage is so much longer with each seed
	entered   band          // times CrashLoop began
	after     band          // the first time
	looping   band          // share of the time in CrashLoop, in percent
	perMinute band          // starts
	first     band          // from the end of the outage until a worker was live
	full      band          // from the end of the outage until all were live
	unserved  band          // clients that met no free worker, in percent
	unstable  band          // times it was said
}

const (
	minute = time.Minute
	second = time.Second
	seeds  = 5
)

// outage begins after a minute.
func outage(d time.Duration) [2]time.Duration {
	return [2]time.Duration{minute, minute + d}
}

var rows = []row{
	{
		name:  "backend down 60 s, n = 1",
		world: world{size: 1, lasts: 4 * minute, outage: outage(minute), load: 10}, vary: 700 * ms,
		entered: band{1, 1}, after: band{2.5, 3.6}, looping: band{22, 30}, perMinute: band{5.5, 7.5},
		first: band{0, 5}, full: band{0, 5}, unserved: band{23, 50}, unstable: band{1, 2},
	},
	{
		name:  "backend down 60 s, n = 3",
		world: world{size: 3, lasts: 4 * minute, outage: outage(minute), load: 30}, vary: 700 * ms,
		entered: band{1, 1}, after: band{2.5, 3.6}, looping: band{22, 30}, perMinute: band{9, 12},
		first: band{0, 5}, full: band{0, 5.5}, unserved: band{23, 33}, unstable: band{1, 2},
	},
	{
		name:  "backend down 60 s, n = 100",
		world: world{size: 100, lasts: 4 * minute, outage: outage(minute), load: 200}, vary: 700 * ms,
		entered: band{1, 1}, after: band{7.5, 8.5}, looping: band{20, 28}, perMinute: band{170, 190},
		first: band{0, 5}, full: band{1, 6.5}, unserved: band{23, 33}, unstable: band{1, 2},
	},
	{
		name:  "the same, n = 3, the delays of the slots not cleared",
		world: world{size: 3, lasts: 4 * minute, outage: outage(minute), load: 30, keepDelays: true}, vary: 700 * ms,
		entered: band{1, 1}, after: band{2.5, 3.6}, looping: band{22, 30}, perMinute: band{9, 12},
		first: band{0, 5}, full: band{15, 30}, unserved: band{23, 40}, unstable: band{1, 2},
	},
	{
		name:      "blip of 1.5 s, n = 1",
		world:     world{size: 1, lasts: 4 * minute, outage: outage(1500 * ms), load: 10},
		perMinute: band{1, 2}, first: band{0, 0.8}, full: band{0, 0.8}, unserved: band{0, 25},
	},
	{
		name:      "blip of 1.5 s, n = 3",
		world:     world{size: 3, lasts: 4 * minute, outage: outage(1500 * ms), load: 30},
		perMinute: band{3, 6}, first: band{0, 0.8}, full: band{0, 2}, unserved: band{0, 5}, unstable: band{0, 1},
	},
	{
		name:      "blip of 1.5 s, n = 100",
		world:     world{size: 100, lasts: 4 * minute, outage: outage(1500 * ms), load: 200},
		perMinute: band{50, 60}, first: band{0, 0.8}, full: band{1, 2}, unserved: band{0, 1},
	},
	{
		name:  "black hole of 190 s, n = 1",
		world: world{size: 1, lasts: 6 * minute, outage: outage(190 * second), hang: 30 * second, load: 10}, vary: 7 * second,
		entered: band{1, 1}, after: band{30, 30.1}, looping: band{45, 65}, perMinute: band{1, 2},
		first: band{0, 35}, full: band{0, 35}, unserved: band{50, 80},
	},
	{
		name:  "black hole of 190 s, n = 3",
		world: world{size: 3, lasts: 6 * minute, outage: outage(190 * second), hang: 30 * second, load: 30}, vary: 7 * second,
		entered: band{1, 1}, after: band{30, 30.1}, looping: band{45, 65}, perMinute: band{1.5, 3},
		first: band{0, 35}, full: band{0, 35.5}, unserved: band{50, 75},
	},
	{
		name:  "black hole of 190 s, n = 100",
		world: world{size: 100, lasts: 6 * minute, outage: outage(190 * second), hang: 30 * second, load: 200}, vary: 7 * second,
		entered: band{1, 1}, after: band{30, 30.1}, looping: band{45, 65}, perMinute: band{16, 20},
		first: band{0, 35}, full: band{1, 36.5}, unserved: band{50, 75},
	},
	{
		name:      "1 of 100 slots poisoned",
		world:     world{size: 100, lasts: 10 * minute, poisoned: 1, load: 200},
		perMinute: band{2.5, 3.5},
	},
	{
		name:      "1 of 3 poisoned, the others die every 20 s",
		world:     world{size: 3, lasts: 10 * minute, poisoned: 1, life: 20 * second, load: 10},
		perMinute: band{7.5, 11}, unserved: band{0.3, 2}, unstable: band{0, 2},
	},
	{
		name:      "1 % of leases kill, n = 10, 100/s",
		world:     world{size: 10, lasts: 10 * minute, load: 100, kill: 0.01},
		perMinute: band{50, 70}, unserved: band{0, 0.1}, unstable: band{3, 10},
	},
	{
		name:      "30 % kill",
		world:     world{size: 10, lasts: 10 * minute, load: 100, kill: 0.3},
		perMinute: band{1700, 1900}, unserved: band{0.1, 0.6}, unstable: band{10, 10},
	},
	{
		name:    "the same, failures not cleared by the end of a proven worker",
		world:   world{size: 10, lasts: 10 * minute, load: 100, kill: 0.3, neverForgiven: true},
		entered: band{5, 200}, after: band{1, 200}, looping: band{0.01, 1},
		perMinute: band{1700, 1900}, unserved: band{0.1, 1}, unstable: band{10, 10},
	},
	{
		name:      "70 % kill",
		world:     world{size: 10, lasts: 10 * minute, load: 100, kill: 0.7},
		perMinute: band{350, 650}, unserved: band{80, 95}, unstable: band{10, 10},
	},
	{
		name:    "100 % kill",
		world:   world{size: 10, lasts: 10 * minute, load: 100, kill: 1},
		entered: band{1, 1}, after: band{2.5, 6.5}, looping: band{98.5, 99.8},
		perMinute: band{18, 22}, unserved: band{99, 100}, unstable: band{1, 1},
	},
	{
		name:      "half of all starts fail, workers live 15 s",
		world:     world{size: 10, lasts: 10 * minute, refuse: 0.5, life: 15 * second},
		perMinute: band{55, 75}, unstable: band{5, 10},
	},
	{
		name:      "no load, all die every 5 s, n = 10",
		world:     world{size: 10, lasts: 10 * minute, life: 5 * second},
		perMinute: band{40, 75}, unstable: band{1, 10},
	},
	{
		name:    "no load, all die after exactly 5 s, n = 10",
		world:   world{size: 10, lasts: 10 * minute, life: 5 * second, regular: true},
		entered: band{1, 1}, after: band{35, 45}, looping: band{90, 95},
		perMinute: band{10, 16}, unstable: band{1, 1},
	},
}

func TestSimulation(t *testing.T) {
	t.Parallel()
	var table strings.Builder
	fmt.Fprintf(&table, "\n%-62s%12s%14s%14s%14s%12s%12s%14s%10s", "",
		"CrashLoops", "first after", "time in it", "starts/min", "live after", "full after", "unserved", "Unstable")
	for _, r := range rows {
		t.Run(r.name, func(t *testing.T) {
			fmt.Fprintf(&table, "\n%-62s", r.name)
			check := func(what, format string, width int, allowed band, values []float64) {
				low, high := math.Inf(1), math.Inf(-1)
				for seed, v := range values {
					assert.GreaterOrEqual(t, v, allowed[0], "%s, seed %d", what, seed)
					assert.LessOrEqual(t, v, allowed[1], "%s, seed %d", what, seed)
					low, high = min(low, v), max(high, v)
				}
				text := fmt.Sprintf(format, low)
				if other := fmt.Sprintf(format, high); other != text {
					text += "–" + other
				}
				fmt.Fprintf(&table, "%*s", width, text)
			}
			var entered, after, looping, perMinute, first, full, unserved, unstable []float64
			for seed := range uint64(seeds) {
				w := r.world
				w.outage[1] += time.Duration(seed) * r.vary
				p := simulate(w, seed)
				entered = append(entered, float64(len(p.entered)))
				var began time.Duration
				if len(p.entered) > 0 {
					began = p.entered[0] - w.outage[0]
				}
				after = append(after, began.Seconds())
				looping = append(looping, 100*p.inLoop.Seconds()/w.lasts.Seconds())
				perMinute = append(perMinute, float64(p.starts)/w.lasts.Minutes())
				first = append(first, p.first.Seconds())
				full = append(full, p.full.Seconds())
				unserved = append(unserved, 100*float64(p.unserved)/float64(max(1, p.clients)))
				unstable = append(unstable, float64(p.unstable))
			}
			check("times CrashLoop began", "%.0f", 12, r.entered, entered)
			check("seconds until CrashLoop", "%.1f", 14, r.after, after)
			check("percent of the time in CrashLoop", "%.1f", 14, r.looping, looping)
			check("starts per minute", "%.1f", 14, r.perMinute, perMinute)
			check("seconds until a worker was live", "%.1f", 12, r.first, first)
			check("seconds until all were live", "%.1f", 12, r.full, full)
			check("percent of clients that met no free worker", "%.2f", 14, r.unserved, unserved)
			check("times Unstable was said", "%.0f", 10, r.unstable, unstable)
		})
	}
	t.Log(table.String())
}
