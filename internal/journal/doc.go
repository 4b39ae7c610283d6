// Package journal is the durable record of all jobs of one spool.
//
// It is one SQLite database in the spool's own folder, in WAL mode. What a
// caller was told is kept: Commit returns when the record is on the disk, Note
// when it survives the death of the process. Callers that come together share
// one transaction and one flush. Nothing runs in the background: whoever comes
// first writes for all who have come meanwhile, then hands over.
//
// In memory is only what must be answered at once: for each job that is open,
// about 150 bytes, and counts. The history may grow: nothing that is done
// for each file looks at it. Two indexes cover it: the one on the id, and the one
// on the number of the end, which is cheap since each entry is the last one. The
// others have only jobs that are few, and stand on columns that seldom change: a job's
// start touches none of them.
//
// What is written for each job goes through SQLite's own calls (conn, stmt), on one
// connection. What is read goes through database/sql, on others.
//
// # Files
//
//	journal.db          the database
//	journal.db-wal      what is not in it yet; belongs to it, never copy one without the other
//	journal.db-shm      where in the -wal a page is; rebuilt when missing
//	journal.db-damaged  the journal was found damaged, and how; it is set aside at the next start
//
// application_id is 0x696d706a ("impj"), user_version the version of the
// schema; this is version 3. A journal of a later version is refused and left as
// it is. One of an earlier version is brought up, in one transaction for each
// version; before that it can be read.
//
//	1  the first one
//	2  columns origin, exit_max_memory, exit_cpu; cursor and wish, reserved before, are used
//	3  column waits, by which job_due goes now
//
// # Table job
//
// One row for each job. Times are nanoseconds since 1970 in UTC and NULL for
// none; the view jobs shows them readable. Names of files are bytes.
//
//	seq               the journal's counter: the order in which jobs were first recorded; never used twice
//	id                the job's id, text form
//	spool             the spool's name when it was last recorded
//	name              the file's name as dropped
//	file              its name in the folder of its state; NULL: there is no file any more
//	state             processing, committing, deferred, paused, done, failed, terminated
//	open              1: has not ended, or its file's move is not confirmed
//	attempt           attempts used up or running
//	interruptions     attempts ended by the daemon's stop or death
//	crashes           of these, by its death
//	busy              how often in a row the file was found open for writing
//	size              bytes
//	created_at, started_at, finished_at
//	due_at            of a deferred job: not before this; NULL: at once
//	waits             1: it is deferred and its file lies in deferred/: it is due at due_at
//	exit_code         of the last attempt; -1: by a signal, or never started; NULL: none has ended
//	exit_signal       the signal it died of
//	exit_error        why it could not be started or looked after
//	exit_retry_after  nanoseconds that the handler asked to wait; 0: did not ask
//	exit_took         nanoseconds from start to end
//	exit_tail         the last 4 KiB of its output at most
//	exit_max_memory   bytes that all its processes together had at most at one time; NULL: not known
//	exit_cpu          nanoseconds that they had a processor; NULL: not known
//	error             why the job is where it is
//	results           name of its directory in results/
//	checkpoint        as the handler last reported
//	changed           1: the handler changed the file's content
//	move_from, move_file, move_to, move_name
//	                  the move that is not confirmed yet: folder and name from, folder and name to; NULL: none
//	seen_name         name of the file as last seen, where that is not the one in file
//	seen              the file as last seen: device, inode, size, mode (octal), uid, mtime, ctime, birth time;
//	                  times as seconds.nanoseconds, "-" for none
//	cursor            number of the job's end among all ends, in the order in which they are told, never
//	                  used twice; NULL: has not ended. After a retry it is that of the last end, until the next
//	wish              what a person wants of the job and has not come about: pause, terminate; NULL: nothing
//	origin            how it came to be: upload, trigger; NULL: dropped into a folder
//
// A job in state processing with the wish pause is shown as paused: in the view
// jobs, in lists and counts.
//
// # Table tally
//
// state and jobs: how many jobs there are of each state that is an end.
//
// # Table meta
//
//	journal      id of this journal, made with it
//	boot         boot id of the kernel in the last run that completed its recovery; missing: none has
//	clean        1: that run ended as told; 0: it did not, or runs
//	husks        time of the last boot that followed an unclean end; missing: there was none
//	paused       1: a person has paused the spool
//	next_seq     the least seq for new jobs, if rows of higher ones were removed
//	next_cursor  the least cursor for further ends, if rows of higher ones were removed
//	wished       changes with each wish
package journal
