package hatch

// Step is an atomic step of a pool's protocol: a place before which it matters
// which goroutine goes on. In a build with the tag interleave a scheduler of the
// tests decides that ([At], package schedule); in any other a step costs nothing.
//
// A critical section is one step, but for the steps within: what clients do
// without the lock may come between.
type Step string

const (
	Begin  Step = "begin"  // in tests: a call
	Lock   Step = "lock"   // a critical section
	Unlock Step = "unlock" // its end
	Wake   Step = "wake"   // whom the section has served or stirred is woken
	End    Step = "end"    // the keeper ends what is left of an epoch

	Claim  Step = "claim"  // a client lends itself a resident worker
	Bind   Step = "bind"   // it has written who it is, and says so
	Recall Step = "recall" // the lock held: a resident worker is taken off its stripe
	Glance Step = "glance" // the lock held: the manager has read a resident worker's word

	Accept   Step = "accept"    // a waiter takes what it is offered
	TakeBack Step = "take back" // the lock held: the pool takes back what it has offered
)
