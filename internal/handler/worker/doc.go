// Package worker gives jobs to long-lived processes of the user's, several at a time
// to each, and hears from them what became of each.
//
// # What a worker is given
//
// Standard input carries one JSON object a line, in UTF-8, for each attempt:
//
//	job         id of the job; what is said of it later names it so
//	file        absolute path of the file in processing/
//	name        the name as dropped
//	attempt     number of the attempt, from 1
//	results     absolute path of an empty directory for what is produced; "" if the spool wants none
//	checkpoint  what an earlier attempt has last reported as its checkpoint, or ""
//	file_b64, name_b64, results_b64, checkpoint_b64
//	            base64 (RFC 4648, padded) of the very bytes, each only where they are not
//	            UTF-8; its plain namesake then has U+FFFD for what is not
//
// and, to ask it to give a job up (terminated, or timed out):
//
//	job         the id
//	cancel      true
//
// The end of the input asks it to finish and exit. Descriptor 4 is its lock, which it
// leaves alone. The environment is that of a command with IMPORTERD_JOB_SPOOL as the only
// variable of the job.
//
// # What a worker answers
//
// Descriptor 3 takes one JSON object a line, of at most 64 KiB, in any order:
//
//	job          the id; without it the line is garbage
//	exit         0 to 255: the attempt has ended, with what the exit codes of commands mean
//	error        beside exit: why, for people; up to 4 KiB are kept
//	retry_after  beside exit: seconds to wait before the next attempt
//	progress     0 to 1: how far the job is
//	checkpoint   up to 4 KiB: what the next attempt is given if this one does not end well
//
// At least one of exit, progress and checkpoint is there. Other fields are passed over.
// What is no such line, or names a job that the worker does not have (any more), changes
// nothing; the log tells of it now and then.
package worker
