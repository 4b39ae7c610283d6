// Package process takes each ready file of one spool through its life: claim,
// start, handle, finish, and again where that is due, with at most so many
// handlers at once.
//
// # The way of the data
//
//	watch ──files──▶ loop ──▶ flush (a goroutine each) ──▶ loop: candidates
//	                  │ a slot is free
//	                  ▼
//	               attempt (a goroutine each): claim, probe, handler, judge
//	                  │ unit
//	                  ▼
//	               loop: slot freed, next state decided
//	                  │ all that has ended meanwhile
//	                  ▼
//	               finisher: journal, rename, flush of the folders, tell
//	                  │ units
//	                  ▼
//	               loop: name released
//
// What a person wants of a job is decided by the loop too. It is in the journal
// before it is answered. Files that are accepted go round the loop: they are recorded,
// get their name in deferred/, and are due.
//
// One goroutine, the loop, owns the state of the pool. It renames and flushes
// nothing; it asks the journal what is due, and writes there only where a job could
// not be taken. A unit belongs to whoever received it last. The finisher works in
// groups: while it writes one, the next gathers; an idle one starts at once.
package process
