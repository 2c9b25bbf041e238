package main

import (
	"time"

	"github.com/pooltender/pool/internal/hatch"
)

// beat is how often somebody looks at the pools from outside.
const beat = 100 * ms

// look is what was seen of a pool that was not right, and since when.
type look struct {
	checkouts        uint64
	waiting, crowded int // beats that clients have waited beside an idle worker; that more workers lived than the pool has
}

// tooLong is how many beats that may last.
const tooLong = int(5 * time.Second / beat)

// watch looks at everything until all are back. Whoever is not in time never is.
func (g *gust) watch(back <-chan struct{}) error {
	looks := make(map[*house]look)
	over := time.Now().Add(g.length() + most)
	ticker := time.NewTicker(beat)
	defer ticker.Stop()
	for {
		select {
		case <-back:
			return nil
		case now := <-ticker.C:
			g.display.show(g.storm, now)
			for _, h := range g.houses {
				looks[h] = g.look(h, looks[h])
			}
			for _, c := range g.clients {
				if temper, is := c.overdue(now); is {
					g.checker.violated("a %s client does not come back", temper)
					return g.stuck()
				}
			}
			if now.After(over) {
				g.checker.violated("somebody does not come back")
				return g.stuck()
			}
		}
	}
}

// look looks at one pool. What is the case for a moment can be right; not for
// long.
func (g *gust) look(h *house, before look) (now look) {
	l := h.lodger.Load()
	if err := hatch.Open(l.pool).CheckInvariants(); err != nil {
		g.checker.violated("%s: %v", h.name, err)
	}
	inside := l.pool.Inspect()
	now.checkouts = inside.Stats.Checkouts
	if inside.Stats.Waiting > 0 && inside.Stats.Idle > 0 && now.checkouts == before.checkouts {
		now.waiting = before.waiting + 1
	}
	if l.era.population() > len(inside.Slots)+len(inside.Zombies) {
		now.crowded = before.crowded + 1
	}
	if now.waiting == tooLong {
		g.checker.violated("%s: clients wait, nobody is served, and workers are idle: %+v", h.name, inside)
	}
	if now.crowded == tooLong {
		g.checker.violated("%s: %d workers live, more than it knows of: %+v", h.name, l.era.population(), inside)
	}
	return now
}
