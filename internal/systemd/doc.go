// Package systemd tells a supervisor how the daemon is, and nothing of it fails
// where there is none.
//
// The protocol is the one of sd_notify(3): datagrams of lines NAME=VALUE to the
// Unix socket that NOTIFY_SOCKET names, a path or, with a leading @, an abstract
// name. Nothing is answered. Sent are:
//
//	READY=1                 the start, or the reload, is over. Sent again each second until it is delivered.
//	RELOADING=1             a reload has begun; READY=1 ends it.
//	MONOTONIC_USEC=N        in the same datagram as RELOADING=1: when it began, in microseconds of
//	                        CLOCK_MONOTONIC. Type=notify-reload demands it.
//	STOPPING=1              the stop has begun. No READY or RELOADING follows.
//	STATUS=TEXT             one line for people, the latest only, at most once a second.
//	EXTEND_TIMEOUT_USEC=N   the start, a reload or the stop may last N microseconds more from now: 5,000,000,
//	                        each second, while the daemon is busy with it.
//	WATCHDOG=1              each loop of the daemon has come round since the last one; see Watchdog.
//
// READY, RELOADING and STOPPING are datagrams of their own, in their order: of
// several states in one datagram the supervisor sees the last only. The other
// three share one.
//
// Journal is beside it: systemd's journal takes the log with all its fields.
package systemd
