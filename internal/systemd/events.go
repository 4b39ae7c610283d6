package systemd

// events are the messages that operators look for, whichever their fields are, and
// the MESSAGE_ID of each: packaging/importerd.catalog explains them, docs/systemd.md lists
// them. An id stays with its event for ever, also when the message is worded anew.
//
//nolint:gochecknoglobals // a table that nobody writes to
var events = []struct{ message, id string }{
	{"ready", "527020caf8f9400fb860add00feabca8"},
	{"told to stop", "1095d6d6c7944dd9aa581979e182a6b1"},
	{"drained", "a5e6ab7d347f46789f29eecba477ccf2"},
	{"configuration reloaded", "b6646e0c41964f6da7f3cb8c3b6d9809"},
	{"reload refused, nothing has changed", "7146ece19e3544e788613101adf9e2c7"},
	{"this setting holds from the next restart on", "59173e09157f4234b67c2b7ba4ab4f23"},
	{"job done", "a92697bb7720422ab07fd34e5c47df1a"},
	{"job deferred", "74c326cb40034fd3ba95ce504d526b83"},
	{"job interrupted", "77815933315f4cc9a059f3b7f4406e47"},
	{"job failed", "b4c966a7cd254f10a92f848047c3f13d"},
	{"job terminated", "cd5c86fbea2240159cdae09ed3342bb7"},
	{"handler broken, files wait", "5d4c08b09b894be79f21379734a9aa52"},
	{"handler works again", "5458ba58aea44dedab6ca6eae5887fdd"},
	{"spool degraded", "25455ffbf88f46dca2b030b1fe1b71ff"},
	{"spool paused or resumed by a person", "1d54e0a6a96d4a62974ab96914d5b363"},
	{"disk refuses, claims wait", "90e71a7994a6419dad0b467504aec6bc"},
	{"disk takes claims again", "3e332483c43845c098a4262e8436ed9d"},
	{"disk refuses, outcomes wait", "1f8e5ece66f849b6a662d167c2415693"},
	{"disk takes outcomes again", "6a74579af2224dd69198078c73046bab"},
	{"disk cannot be trusted, spool stops", "791a59ff08e443b1a7e014afb71babe6"},
	{"outcome not written", "fa7afc4634974b1c8751ec891d73346f"},
	{"file held", "f28183e2c02a452b8f8561aee32d416f"},
	{"files passed over", "224f8432e67d4e24bd1f913c5dff6cfd"},
	{"old handler lives, its file is held", "0e1c4ec0352a41b28783d3b3067bba88"},
	{"old handler gone", "6132a09a0072460b8018befe340f8fa1"},
	{"watch degraded", "41fc441648974de2a8f0167d872d52e7"},
	{"watch recovered", "97fe37e0e68240e3b38405c1e7422145"},
	{"loop has not come round", "3ed4819457e84c3d8ae6095d76e04805"},
	{"on_failed did not work", "9e71bb1cd7664a9fb50338c3c37fbff6"},
	{"clock has jumped, nothing is removed for a while", "0cdd536e103b40a696cede18c6b7b2c5"},
	{"journal damaged, set aside: the folders tell what there is to do", "9b2c7f445a1d4735a33bc00310430fe5"},
	{"nobody read the log, lines were lost", "41d366b50bee49d29df3bcc39edbdfd4"},
}

// eventID returns the id of a message; empty: it has none.
func eventID(message string) string {
	for _, e := range events {
		if e.message == message {
			return e.id
		}
	}

	return ""
}
