# What the cases share; each begins with `. /share/lib.sh`. They run as root in a
# box, one after the other, and each begins with the service freshly installed
# and stopped.
# shellcheck shell=bash
set -euo pipefail
export SYSTEMD_PAGER='' SYSTEMD_COLORS=0

units=/usr/lib/systemd/system
spool=/srv/importerd/orders

# fail TEXT ends the case, with what there is to know.
fail() {
	trap - ERR EXIT
	echo "FAIL: $*"
	systemctl status --no-pager --lines=0 importerd.service importerd.socket 2>&1 | sed 's/^/    /' || true
	journal 2>&1 | tail -n 25 | cut -c1-400 | sed 's/^/    /' || true
	find "$spool" -path '*/.importerd' -prune -o -type f -print 2>/dev/null | head -n 20 | sed 's/^/    /' || true
	exit 1
}

trap 'fail "line $LINENO: $BASH_COMMAND"' ERR
set -E

# soon SECONDS COMMAND… waits until the command succeeds. Deadlines are generous, as
# the machine may be busy, but not where the case shall fail.
soon() {
	local deadline=$((SECONDS + $1))
	[[ -z ${MUTATE:-} ]] || deadline=$((SECONDS + 8))
	shift
	until "$@" >/dev/null 2>&1; do
		((SECONDS < deadline)) || fail "still not: $*"
		sleep 0.1
	done
}

# same WHAT GOT WANT compares.
same() { [[ $2 == "$3" ]] || fail "$1 is '$2', not '$3'"; }

# not COMMAND… succeeds if the command fails; a plain ! would not end the case.
not() {
	if "$@" >/dev/null 2>&1; then
		fail "this should not work: $*"
	fi
}

# prop NAME [UNIT] prints a property.
prop() { systemctl show --value -p "$1" "${2:-importerd.service}"; }

# journal [OPTION…] prints what the service and its socket said in this case.
journal() {
	journalctl --sync
	journalctl --no-pager -o cat --since="$since" "$@" -u importerd.service -u importerd.socket
}

# said TEXT succeeds if the journal of this case has it, now or soon. (grep -q would end
# before journalctl, whose broken pipe then counts.)
said() {
	for _ in {1..50}; do
		! journal | grep -F -- "$1" >/dev/null || return 0
		sleep 0.2
	done
	return 1
}

# replaced PID succeeds if another daemon than this one is up.
replaced() {
	local now
	now=$(systemctl show -p ActiveState -p MainPID importerd.service)
	grep -qx ActiveState=active <<<"$now" && ! grep -qxE "MainPID=(0|$1)" <<<"$now"
}

# quote MARK prints what follows a mark in docs/systemd.md.
quote() { sed -n "/^<!-- $1 -->\$/,/^\`\`\`\$/p" /share/docs/systemd.md | sed '1,2d; $d'; }

# recipe MARK runs the commands that follow a mark in docs/systemd.md.
recipe() {
	local text
	text=$(quote "$1")
	[[ -n $text ]] || fail "docs/systemd.md has no commands for '$1'"
	bash -euc "$text" </dev/null || fail "the commands for '$1' end with $?"
}

# uninstall takes away what fresh has installed, and all directories.
uninstall() {
	rm -f $units/importerd.* /usr/lib/{sysusers,tmpfiles}.d/importerd.conf /usr/bin/importerd
	rm -f /usr/lib/systemd/catalog/importerd.catalog
	rm -rf /srv/importerd /run/importerd /etc/importerd
	systemctl daemon-reload
}

# tune NAME=VALUE… changes lines of the unit. What is not in it is not added: so a
# line that a mutation took away stays away.
tune() {
	local line
	for line; do
		sed -i "s|^${line%%=*}=.*|$line|" $units/importerd.service
	done
	systemctl daemon-reload
}

# dropin NAME writes a drop-in from standard input.
dropin() {
	mkdir -p /etc/systemd/system/importerd.service.d
	cat >"/etc/systemd/system/importerd.service.d/$1.conf"
	systemctl daemon-reload
}

# handler makes the command of the spool from standard input.
handler() {
	cat >/usr/local/bin/handler
	chmod 0755 /usr/local/bin/handler
}

# slow_handler makes a command that takes some seconds and says when it has come to
# its end.
slow_handler() {
	handler <<-'END'
		#!/bin/bash
		for i in {1..60}; do sleep 0.1; done
		echo whole >>/srv/importerd/trace/end
	END
}

# config [LINE…] writes the configuration of one spool, with more lines for it.
config() {
	{
		printf '[spool.orders]\ndir = "%s"\n' "$spool"
		printf 'command = ["/usr/local/bin/handler", "{}"]\nlinger = "10ms"\nsweep = "1s"\n'
		printf '%s\n' "$@"
	} >/etc/importerd/importerd.toml
}

# drop NAME… puts files into the inbox.
drop() {
	local name
	for name; do
		echo "$name" >"$spool/inbox/.$name"
		mv "$spool/inbox/.$name" "$spool/inbox/$name"
	done
}

# files FOLDER prints how many files are in it.
files() { find "$spool/$1" -maxdepth 1 -type f ! -name '.*' -printf . | wc -c; }

# has FOLDER NUMBER succeeds if so many are in it.
has() { [[ $(files "$1") == "$2" ]]; }

# api PATH [OPTION…] asks the daemon over its socket.
api() { curl -sS --max-time 20 --unix-socket /run/importerd/importerd.sock "http://importerd$1" "${@:2}"; }

# status_of PATH [OPTION…] prints the HTTP status of the answer.
status_of() { api "$1" -o /dev/null -w '%{http_code}' "${@:2}"; }

# stop_all stops what an earlier case left, without patience.
stop_all() {
	systemctl stop importerd.socket 2>/dev/null || true
	systemctl kill -s KILL importerd.service 2>/dev/null || true
	# Until now it may have been started again, and have brought the socket along.
	systemctl stop importerd.service importerd.socket 2>/dev/null || true
	systemctl unmask importerd.socket 2>/dev/null || true
}

# fresh installs the files of packaging/, as they are or with MUTATE, a sed script
# that takes something out of the units: then the case must fail.
fresh() {
	stop_all
	rm -rf /etc/systemd/system/importerd* /srv/* /etc/importerd /etc/credstore /run/importerd /trace
	install -m 0755 /share/importerd /usr/bin/importerd
	install -m 0644 /share/packaging/importerd.{service,socket} $units
	sed -i "${MUTATE:-}" $units/importerd.{service,socket}
	install -m 0644 /share/packaging/importerd.sysusers /usr/lib/sysusers.d/importerd.conf
	install -m 0644 /share/packaging/importerd.tmpfiles /usr/lib/tmpfiles.d/importerd.conf
	systemd-sysusers
	systemd-tmpfiles --create importerd.conf
	systemctl daemon-reload
	systemctl reset-failed
	journalctl --sync
	since=@$(date +%s.%6N) # not a cursor: with a filter some journalctls skip what follows it

	install -d -o importerd -g importerd -m 0750 "$spool"
	install -d -m 0777 /srv/importerd/trace
	config
	handler <<-'END'
		#!/bin/sh
		cat "$1" >>/srv/importerd/trace/handled
	END
	tune RestartSec=100ms
}

fresh
