// Package wire holds what goes over the API's connections: the paths, and the
// JSON of jobs, spools, events and errors. Server and clients use the same types.
//
// All JSON is UTF-8, one object per answer. Times are RFC 3339 in UTC with
// fractions; a time that is none is left out. Names of files are bytes: one that
// is not UTF-8 is escaped for people, and a field of the same name with _b64 at
// its end has its bytes in base64. Fields may be added; clients pass over those that
// they do not know.
package wire
