package pool_test

import (
	"context"
	"fmt"

	"github.com/pooltender/pool"
)

const mostClients = 8

// command is something that happens to a pool. It reports false where it does not
// apply, and has changed nothing then.
type command struct {
	name string
	do   func(*world) bool
}

var commands = []command{
	{"check out", (*world).checkout},
	{"check out, too", (*world).checkout},
	{"check out more", (*world).checkout},
	{"check in", (*world).checkin},
	{"check in again", (*world).checkin},
	{"check in all", (*world).checkinAll},
	{"try", (*world).try},
	{"come too late", (*world).late},
	{"use stale leases", (*world).stale},
	{"check in elsewhere", (*world).foreign},
	{"retire", (*world).retire},
	{"detach", (*world).detach},
	{"transfer", (*world).transfer},
	{"lose", (*world).lose},
	{"visit all", (*world).visitAll},
	{"run errands", (*world).errands},
	{"relay", (*world).relay},
	{"work through a batch", (*world).batch},
	{"call", (*world).call},
	{"kill leased", (*world).killLeased},
	{"kill idle", (*world).killIdle},
	{"cancel waiter", (*world).cancelWaiter},
	{"cancel at hand-over", (*world).cancelAtHandover},
	{"kill at hand-over", (*world).killAtHandover},
	{"end client", (*world).endClient},
	{"sleep", (*world).sleep},
	{"grow old", (*world).growOld},
	{"recycle", (*world).recycle},
	{"fail next starts", (*world).failStarts},
	{"stall", (*world).stall},
	{"go down", (*world).goDown},
	{"heal", (*world).heal},
	{"resize", (*world).resize},
	{"kill half", (*world).killHalf},
	{"kill half at work", (*world).killHalfAtWork},
	{"kill report", (*world).killReport},
	{"restart", (*world).restart},
}

// obey carries out a command.
func (w *world) obey(c command) bool {
	w.moment++
	w.journal = append(w.journal, c.name)
	return c.do(w)
}

func (w *world) newClient(terms pool.Terms) *client {
	c := &client{name: fmt.Sprintf("client %d", len(w.clients)+1), terms: terms}
	c.terms.Owner = c.name
	c.ctx, c.cancel = context.WithCancel(context.Background())
	w.clients = append(w.clients, c)
	return c
}

// drawTerms are those of a client; nobody is particular where the pool is plain.
func (w *world) drawTerms() pool.Terms {
	priority := choose(w, "priority", pool.PriorityNormal, pool.PriorityNormal, pool.PriorityLow, pool.PriorityHigh, pool.PriorityCritical)
	return pool.Terms{Priority: priority, Key: choose(w, "key", "", "", "", "a", "b", "c")}
}
