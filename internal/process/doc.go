// Package process takes each ready file of one spool through its life: claim,
// start, handle, finish, and again where that is due, with at most so many
// handlers at once.
//
// # The way of the data
//
//	watch ──files──▶ loop
//	                  │ slots are free, or will be in a moment
//	                  ▼
//	               claimer (one goroutine): flush, a note for all, then each is claimed
//	                  │ units
//	                  ▼
//	               loop: they wait for slots
//	                  │ a slot is free, or will be in a moment
//	                  ▼
//	               attempts are made ready together (a goroutine): a look, lock, a note for all
//	                  │ a slot is free
//	                  ▼
//	               handler, then judge (a goroutine each; one for those that end together)
//	                  │ unit
//	                  ▼
//	               loop: slot freed, next state decided; gathers what has ended
//	                  │ units
//	                  ▼
//	               finisher: journal; later flush, rename, flush of the folders, tell
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
// not be taken. A unit belongs to whoever received it last.
//
// Files whose flush takes long, huge ones, those of an order, and those that are flushed
// while long attempts have all slots, go round the loop between flush and claim.
//
// From before the flush of a file until after its claim the kernel keeps writers from it,
// by a lease that ends after some milliseconds. Where it did not last so long, and for
// what comes from deferred/, a look at the file before the start tells whether somebody writes.
//
// Where handlers are quick files are claimed ahead, and attempts of commands are made
// ready ahead, so that no slot waits for the disk. What was claimed and is not to be
// started after all goes to deferred/, due at once. That an attempt was only made ready
// and never begun is known after a crash by its lock file, which names no process. The
// finisher works in groups: what ends gathers for some milliseconds while other attempts
// are under way, while it writes, and just after it has begun to write; who comes alone
// waits for nothing. What is written no death of the daemon undoes. Several such groups
// are brought to the disk, moved and told together where many come. That something was
// told the journal learns with the next group.
package process
