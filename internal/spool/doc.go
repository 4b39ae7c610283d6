// Package spool is the folders of one spool: the only code that renames, links
// or removes files in them.
//
// A spool is one directory:
//
//	inbox/        producers write here; it may lie elsewhere on the same mount
//	processing/   claimed: the files being worked on (mode 0700)
//	deferred/     waiting, with an id (mode 0700)
//	done/         finished
//	failed/       given up; regular files only
//	errors/       for each file in failed/ a NAME.txt for people
//	results/      what handlers produced, one directory each, whole or not at all
//	.importerd/   ours (mode 0700)
//	  pid         who holds the spool
//	  locks/      one lock file for each running attempt, named by the job's id, and one
//	              for each worker, named by an id of its own; those of attempts that are
//	              over, which nobody has, wait to be used again
//	  logs/       one log for each job: ID.log; and for each worker: worker-N.log
//	  work/ID/    where the handler of a job puts results before they are published,
//	              and where published ones go to be removed
//	  work/aside/ what lay in processing/ and was no regular file
//	  work/.put-* received files that have no name yet, where a file needs one
//	  work/trial/ names under which trial files may lie in the folders
//
// All folders are opened once, without following links, and everything is done
// over these descriptors and plain names: what a path means later does not
// matter, and CheckInbox tells when it means something else. A file only ever
// moves by renameat2 with RENAME_NOREPLACE; what is there is never overwritten.
//
// # Instance lock
//
// The holder of a spool has a flock on the spool's directory itself, on a
// descriptor that no child inherits. The file pid holds its process number, in
// decimal with a newline. It only tells people who holds the lock: it is
// written after the lock was got, removed before it is given back, and left
// behind by a crash.
//
// # Lock files
//
// While an attempt runs, it and all its descendants that keep descriptor 4 hold
// a flock on .importerd/locks/ID. The lock counts, not the file. The file holds
// one JSON object, and whatever follows that is ignored:
//
//	job       the job's id, as the file's name
//	name      the file's name as dropped; what is not UTF-8 is replaced by U+FFFD
//	name_b64  base64 (RFC 4648, padded) of the name's bytes; only where it is not UTF-8
//	worker    true: of a worker; job is then its own id, and name is empty
//	pid       the attempt's process, which is its process group too; missing: not started
//	since     when the lock was taken, in clock ticks since the boot; missing in earlier
//	          versions
//	start     when the process was noted, likewise. In earlier versions when it was
//	          started, by field 22 of /proc/PID/stat
//	boot      /proc/sys/kernel/random/boot_id when it was started
//
// A process is the one meant only if pid and boot agree and it was started from since to
// start, or just at start without since. Until it was waited for, nobody else had its
// number; but where the daemon ran in a container the number means others outside. A handler
// that closed descriptor 4 but is still that process counts as alive too. Others
// that hold the lock are found in /proc/PID/fd, and /proc/PID/fdinfo confirms it.
//
// # Trial files
//
// Whether files can be moved between all folders is tried out with an empty
// file .importerd-trial-ID, at the start and when the inbox was opened anew.
// While it is under way a file of the same name lies in .importerd/work/trial/,
// so that a killed trial can be cleaned up without reading the folders.
package spool
