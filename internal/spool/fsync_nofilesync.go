//go:build mutate_nofilesync

package spool

// leaveOutDirectories false: files are not flushed.
const leaveOutDirectories = false
