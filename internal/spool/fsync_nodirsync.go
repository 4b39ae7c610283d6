//go:build mutate_nodirsync

package spool

// leaveOutDirectories true: directories are not flushed.
const leaveOutDirectories = true
