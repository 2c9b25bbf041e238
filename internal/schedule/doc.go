// Package schedule runs a program of several goroutines one atomic step at a
// time, in a synctest bubble, and explores the orders in which the steps can
// come: it takes the shipped code itself through them. It needs the build tag
// interleave, which makes the steps of a pool (package hatch) stop here.
//
// It is a stateless search, as CHESS does it (Musuvathi and Qadeer, 2008): the
// program is run again and again, each time along a prefix of choices that
// differs in the last. The search is bounded by delays (Emmi, Qadeer and
// Rakamarić, 2011): by default the goroutine that has made a step goes on, and
// after it the next in order; each one that is passed over is a delay. Without a
// bound the search covers every order.
package schedule
