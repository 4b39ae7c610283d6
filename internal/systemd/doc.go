// Package systemd tells a supervisor how the daemon is, and nothing of it fails
// where there is none.
//
// The protocol is the one of sd_notify(3): datagrams of lines NAME=VALUE to the
// Unix socket that NOTIFY_SOCKET names, a path or, with a leading @, an abstract
// name. Nothing is answered. Sent are:
//
//	READY=1                 the start is over. Sent again each second until it is delivered.
//	STOPPING=1              the stop has begun. No READY follows.
//	STATUS=TEXT             one line for people, the latest only, at most once a second.
//	EXTEND_TIMEOUT_USEC=N   the start or the stop may last N microseconds more from now: 5,000,000, each second,
//	                        while the daemon is busy with it.
//	WATCHDOG=1              each loop of the daemon has come round since the last one; see Watchdog.
//
// READY and STOPPING are datagrams of their own, in their order: of
// several states in one datagram the supervisor sees the last only. The other
// three share one.
package systemd
