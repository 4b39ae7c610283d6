// Package job holds the words that all other packages share: what a job is,
// the states it goes through and which move follows which, the folders, and
// the rules for file names. It does no I/O and imports nothing of ours.
package job
