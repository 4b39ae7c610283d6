// Package watch says which files of an inbox are ready.
//
// The kernel's events are only hints, the directory is the truth: an event
// names one candidate, a sweep finds all the others. One goroutine, the loop,
// owns everything; it only reads, takes its work in small pieces, and never
// waits for anybody. What it remembers is bounded however many files there are:
//
//	hints    names that an event or a caller mentioned, not yet looked at
//	table    files that are busy or settling, each with the time of its next look
//	buffer   files that are ready and wait to be taken
//
// When the hints are full a sweep makes up for those that were dropped; when
// the table is full the rest is left to a later sweep; when the buffer is full
// the sweep stops where it is and goes on as files are taken.
//
// At the start the events are turned on, then a sweep begins: so nothing slips through.
// Before both the loop looks at files for a quarter of a second at most, for to turn the
// events on takes long where very many wait, and the first of them shall not wait for that.
//
//	hint, sweep, timer ──▶ look (probe, rules) ──▶ buffer ──▶ Ready()
//	                         └──▶ table ──▶ timer
//
// The table of standings, by what a look finds:
//
//	a temporary name, another file's marker, no match, not a regular file   ignored
//	unreadable, an input/output error                                       held
//	open for writing                         settling, again after 50 ms growing to 1 s
//	empty, no lease to be had, mode "settle" settling, until quiet for Settle
//	seen being written, or too fresh to tell settling, until quiet for Linger
//	its marker is missing or older           settling, until an event or a sweep
//	anything else                            ready
package watch
