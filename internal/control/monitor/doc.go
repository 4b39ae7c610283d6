// Package monitor tells clients what becomes of jobs: each end once, in the order
// in which ends were told, also to a client that was away.
//
// # What a client says
//
// One wire.Watch: the first text message over the WebSocket, or the parameters id
// (may be repeated), spool, all and since of the request for server-sent events,
// where the header Last-Event-ID counts more than since. A connection has one
// subscription; for another one, open another connection.
//
// # What it is told
//
// Each event is a wire.Event. All that had ended before comes first, then ready,
// then what happens from then on.
//
//   - A list of ids. What has ended already is told at once, what has not when it
//     ends; each id once, although its job may be retried afterwards. How jobs are that
//     have not ended comes as changed, at the begin and when it changes. An id of no
//     job is unknown; while a spool is not open, an id that no other one has is neither
//     that nor anything else. When all are told the server ends the connection with the
//     reason "all told".
//   - A spool, or all. Without since: what ends from now on. With since: what has ended
//     since then, and then what ends from now on. How jobs are whose attempt is under
//     way comes as changed before ready, and when it changes.
//
// Ends of one spool come in order, by their numbers. If a job is retried while a
// client is away, and ends again, the client may be told of the last end only.
// Changes are news: of those that come faster than a client takes them, or than ten
// times a second, only the last one of each job is told.
//
// # Cursors
//
// Each event has a cursor: where the client stands when it has taken the event up.
// It is opaque, a wire.Cursor inside: for each spool the id of its journal and the
// number of the last end of it that the client had. A job's own cursor, in the API
// and in its end, is that of somebody who watches its spool only. Given as since:
//
//   - of a spool that the cursor says nothing of, ids count as never told, and whoever
//     watches the spool begins now: it did not watch it before;
//   - of a spool that was watched before its journal was known, all that its journal
//     holds is told: the client has had none of it;
//   - if the journal of the spool is another one now, or was put back to an older
//     state, comes reset with the name of the spool, and then the present state: of ids
//     theirs, of spools the jobs under way; then ready again. So it is when a spool
//     comes back with another journal while a client watches;
//   - what it says of spools that there are not any more is passed over;
//   - since with ids says that the client has been told of these ids up to there. With
//     other ids than before it would leave ends out: leave since out then.
//
// # What it costs
//
// The last ends of each spool are kept in memory, written as JSON once. A client
// that is further back is told from the journal, page by page, a few clients at a
// time. So a client costs the same however far back it is, and nobody waits for one:
// whoever does not accept a batch within the write time, or falls behind for longer
// than the lag allows, is cut off and comes back with its cursor.
package monitor
