package protocol_test

// first is the state in which all begins: as many workers as the goal says, resident
// if they can be, and clients that have not called yet.
func (c *config) first() state {
	s := c.from
	for i := range int8(s.goal) {
		w := &s.slots[i]
		w.made, w.served, w.state = up, true, resident
		w.set(w.w().Reside(!s.parked))
		if c.reset {
			*w = slot{made: up, state: idling}
		}
	}
	for n, kind := range c.crowd {
		s.clients[n] = client{kind: kind, trips: c.kinds[kind].trips}
	}
	for n := len(c.crowd); n < mostClients; n++ {
		s.clients[n].at = done
	}
	s.halves = true
	return s
}

var (
	pinned  = kind{trips: 1, pin: true}
	plain   = kind{trips: 1}
	often   = kind{trips: 2}
	again   = kind{trips: 2, context: true}
	bounded = kind{trips: 1, context: true}
	stale   = kind{trips: 1, twice: true}
	retirer = kind{trips: 1, retire: true}
	lost    = kind{trips: 1, context: true, vanish: true}
	trier   = kind{trips: 1, try: true}
	patient = kind{trips: 1, last: true}
	urgent  = kind{trips: 1, class: 1}
)

// scenes are who meets whom.
var scenes = []config{
	{name: "stale checkins", kinds: []kind{stale}, crowd: []uint8{0, 0, 0}, from: state{goal: 2, crashes: 1}},
	{name: "a client is gone", kinds: []kind{bounded, lost}, crowd: []uint8{0, 0, 1}, from: state{goal: 1, crashes: 1, cancels: 1}},
	{name: "a crash, a cancellation, a revocation", kinds: []kind{bounded, lost}, crowd: []uint8{0, 0, 1}, from: state{goal: 2, crashes: 1, cancels: 1}},
	{name: "a revoked lease costs no worker", reuse: true, kinds: []kind{bounded, lost}, crowd: []uint8{0, 0, 1}, from: state{goal: 1, crashes: 1, cancels: 1}},
	{name: "a lease must not last", reuse: true, holds: true, kinds: []kind{bounded, stale}, crowd: []uint8{0, 0, 1}, from: state{goal: 1, cancels: 1, lates: 1}},
	{name: "workers are cleaned", reset: true, kinds: []kind{stale, lost}, crowd: []uint8{0, 0, 1}, from: state{goal: 1, crashes: 1, cancels: 1}},
	{name: "TryCheckout and Retire", kinds: []kind{plain, trier, retirer}, crowd: []uint8{0, 1, 2}, from: state{goal: 2, failures: 1}},
	{name: "overflow", overflow: 1, kinds: []kind{plain}, crowd: []uint8{0, 0, 0}, from: state{goal: 1, crashes: 1, cancels: 1}},
	{name: "overflow is needed", overflow: 1, kinds: []kind{plain, patient}, crowd: []uint8{0, 0, 1}, from: state{goal: 1, crashes: 1}},
	{name: "overflow does not linger", overflow: 1, hasty: true, kinds: []kind{plain}, crowd: []uint8{0, 0, 0}, from: state{goal: 1, crashes: 1, cancels: 1}},
	{name: "Resize", goals: []uint8{1, 2}, kinds: []kind{plain, bounded}, crowd: []uint8{0, 1}, from: state{goal: 2, crashes: 1, resizes: 2}},
	{name: "priorities", kinds: []kind{plain, urgent}, crowd: []uint8{0, 1, 1}, from: state{goal: 1, crashes: 1, cancels: 1, passed: 15}},
	{name: "a client wants one worker", kinds: []kind{plain, pinned}, crowd: []uint8{0, 0, 1}, from: state{goal: 2, crashes: 1}},
	{name: "Stop", kinds: []kind{plain, bounded}, crowd: []uint8{0, 1}, from: state{goal: 2, crashes: 1, cancels: 1, stops: 1, forces: 1}},
	{name: "Restart", kinds: []kind{plain, stale}, crowd: []uint8{0, 1}, from: state{goal: 2, crashes: 1, restarts: 1, forces: 1}},
	{name: "a death of the manager", kinds: []kind{plain, stale}, crowd: []uint8{0, 0, 1}, from: state{goal: 1, crashes: 1, kills: 1}},
	{name: "a death in a revocation", kinds: []kind{stale, lost}, crowd: []uint8{0, 1}, from: state{goal: 1, cancels: 1, kills: 1}},
	{name: "a death and a Stop", kinds: []kind{plain, stale}, crowd: []uint8{0, 1}, from: state{goal: 1, kills: 1, stops: 1, forces: 1}},
}

// longScenes are larger, for the long form.
var longScenes = []config{
	{name: "all clients differ", kinds: []kind{stale, bounded, lost}, crowd: []uint8{0, 1, 2}, from: state{goal: 2, crashes: 1, cancels: 1}},
	{name: "three workers", kinds: []kind{plain, bounded}, crowd: []uint8{0, 0, 1}, from: state{goal: 3, crashes: 1, cancels: 1}},
	{name: "four clients", kinds: []kind{plain}, crowd: []uint8{0, 0, 0, 0}, from: state{goal: 2, crashes: 1, cancels: 1}},
	{name: "clients come again", kinds: []kind{often}, crowd: []uint8{0, 0, 0}, from: state{goal: 2, crashes: 1}},
	{name: "a client with a context comes again", sighting: true, kinds: []kind{again, bounded}, crowd: []uint8{0, 1}, from: state{goal: 2, crashes: 1, cancels: 1}},
	{name: "two crashes in a waiting crowd", kinds: []kind{plain}, crowd: []uint8{0, 0, 0, 0}, from: state{goal: 1, crashes: 2, cancels: 1}},
	{name: "overflow, Resize, a client is gone", overflow: 1, goals: []uint8{1, 2}, kinds: []kind{bounded, lost}, crowd: []uint8{0, 1}, from: state{goal: 2, crashes: 1, resizes: 2}},
	{name: "Resize in a crowd", goals: []uint8{1, 2}, kinds: []kind{plain, bounded}, crowd: []uint8{0, 0, 1}, from: state{goal: 2, crashes: 1, cancels: 1, resizes: 2}},
	{name: "priorities of four", kinds: []kind{plain, urgent}, crowd: []uint8{0, 0, 1, 1}, from: state{goal: 1, crashes: 1, passed: 14}},
	{name: "clients want one worker, and a death", kinds: []kind{plain, pinned}, crowd: []uint8{0, 1, 1}, from: state{goal: 2, crashes: 1, kills: 1}},
	{name: "Stop in a crowd", kinds: []kind{plain, bounded}, crowd: []uint8{0, 0, 1}, from: state{goal: 2, crashes: 1, cancels: 1, stops: 1, forces: 1}},
	{name: "Restart and Stop", kinds: []kind{plain, lost}, crowd: []uint8{0, 0, 1}, from: state{goal: 2, restarts: 1, stops: 1, forces: 1}},
	{name: "two deaths", kinds: []kind{plain, stale}, crowd: []uint8{0, 0, 1}, from: state{goal: 2, crashes: 1, kills: 2}},
	{name: "deaths with overflow", overflow: 1, kinds: []kind{bounded, plain}, crowd: []uint8{0, 1, 1}, from: state{goal: 1, failures: 1, cancels: 1, kills: 1}},
	{name: "a death, a Stop, a client is gone", kinds: []kind{stale, lost}, crowd: []uint8{0, 0, 1}, from: state{goal: 2, kills: 1, stops: 1, forces: 1}},
}

// sceneOf returns a copy of the scene of that name.
func sceneOf(name string) *config {
	for _, c := range scenes {
		if c.name == name {
			return &c
		}
	}
	return nil
}
