# shellcheck shell=bash
# What ./demo and ./check share, sourced by both: the packages, the build, and a
# private server each.
#
# A private server has its data, its socket and its log in one folder, .work/NAME
# in the checkout.  PostgreSQL refuses to run as root, so for root it runs as the
# user postgres; if that user can't get into the checkout (say, in /root), the
# folder is in /var/tmp and .work/NAME is a link to it.  Only the owner and root
# can enter the folder; that is what guards the socket.
#
# Sets: top (the checkout), PG_CONFIG, owner (who the server runs as), and
# server_packages, needed where PG_CONFIG is Debian's.  After build_and_install or
# cluster_find: bindir.  After cluster_create or cluster_find: cluster (the folder).

top=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd -P)
debian_server=/usr/lib/postgresql/15/bin/pg_config
server_packages=(postgresql-15 postgresql-server-dev-15)
PG_CONFIG=${PG_CONFIG:-$debian_server}
PG_CONFIG=$(command -v "$PG_CONFIG" || echo "$PG_CONFIG")
export PG_CONFIG
export LC_ALL=C.UTF-8 PGCLIENTENCODING=UTF8
unset PGHOST PGHOSTADDR PGPORT PGUSER PGPASSWORD PGDATABASE PGOPTIONS PGSERVICE PGDATA
unset MAKEFLAGS MAKELEVEL MFLAGS

owner=$(id -un)
if [ "$EUID" = 0 ]; then
	owner=postgres
fi

say() {
	printf '\n%s== %s%s\n' "${bold-}" "$*" "${plain-}"
}

die() {
	printf '%s: %s\n' "$(basename "$0")" "$*" >&2
	exit 1
}

if [ -t 1 ]; then
	bold=$'\e[1m' plain=$'\e[0m'
fi

as_root() {
	if [ "$EUID" = 0 ]; then
		"$@"
	elif command -v sudo > /dev/null; then
		sudo "$@"
	else
		die "needs root or sudo for: $*"
	fi
}

# as_owner COMMAND…: as the server's user, from a folder that it can be in
as_owner() (
	cd /
	if [ "$EUID" = 0 ]; then
		exec runuser -u "$owner" -- "$@"
	fi
	exec "$@"
)

# packages_missing PACKAGE…: those that are not installed
packages_missing() {
	local package
	for package in "$@"; do
		if [ "$(dpkg-query -W -f '${db:Status-Status}' "$package" 2> /dev/null)" != installed ]; then
			echo "$package"
		fi
	done
}

# packages_need PACKAGE…: installs what is missing, and asks nothing.  The
# packages of the server itself are needed only where PG_CONFIG names it.
packages_need() {
	local missing wanted=(make gcc libc6-dev libjansson-dev "$@")
	no_cluster=/etc/postgresql-common/createcluster.d/twinset-no-main-cluster.conf

	if [ "$PG_CONFIG" = "$debian_server" ]; then
		wanted+=("${server_packages[@]}")
	fi
	if ! command -v dpkg-query > /dev/null; then
		echo "not a Debian: taking for granted what these packages have: ${wanted[*]}"
		return
	fi
	mapfile -t missing < <(packages_missing "${wanted[@]}")
	if [ ${#missing[@]} = 0 ]; then
		return
	fi
	say "Installing packages: ${missing[*]}"

	# a server that comes only for this needs no cluster of its own
	as_root mkdir -p "${no_cluster%/*}"
	echo 'create_main_cluster = false' | as_root tee "$no_cluster" > /dev/null
	trap packages_restore EXIT
	as_root apt-get update -qq
	as_root env DEBIAN_FRONTEND=noninteractive \
		apt-get install -y -qq --no-install-recommends -o Dpkg::Use-Pty=0 "${missing[@]}" < /dev/null
	packages_restore
	trap - EXIT
}

packages_restore() {
	as_root rm -f "$no_cluster"
	as_root rmdir --ignore-fail-on-non-empty "${no_cluster%/*}"
}

# build_and_install: the extension, into the server that PG_CONFIG names
build_and_install() {
	local directory library

	[ -x "$PG_CONFIG" ] || die "PG_CONFIG=$PG_CONFIG is no program"
	bindir=$("$PG_CONFIG" --bindir)
	say "Building for $("$PG_CONFIG" --version) of $bindir"
	mkdir -p "$top/.work"
	chmod 755 "$top/.work"

	# objects made for another server's headers are of no use
	if [ "$(cat "$top/.work/built-for" 2> /dev/null)" != "$("$PG_CONFIG" --version) $PG_CONFIG" ]; then
		make -s -C "$top" clean > /dev/null
		echo "$("$PG_CONFIG" --version) $PG_CONFIG" > "$top/.work/built-for"
	fi
	make -s -C "$top" -j "$(nproc)"

	library=$("$PG_CONFIG" --pkglibdir)
	directory=$("$PG_CONFIG" --sharedir)/extension
	if [ -w "$library" ] && [ -w "$directory" ]; then
		(umask 022 && make -s -C "$top" install)
	else
		as_root make -s -C "$top" PG_CONFIG="$PG_CONFIG" install
	fi
}

# cluster_lock NAME: one run at a time; the server must not inherit descriptor 9
cluster_lock() {
	mkdir -p "$top/.work"
	exec 9> "$top/.work/$1.lock"
	flock -n 9 || die "another ./$1 is running in this checkout"
}

# cluster_find NAME: the folder of an earlier run, if there is one
cluster_find() {
	cluster=$top/.work/$1
	if [ -L "$cluster" ]; then
		cluster=$(readlink "$cluster")
	fi
	bindir=$("$PG_CONFIG" --bindir 2> /dev/null) || bindir=/usr/lib/postgresql/15/bin
	[ -d "$cluster/data" ]
}

# cluster_running: is the server of this very folder up?  The process must be at
# work in it: after a crash its id can be another program's.
cluster_running() {
	local pid
	pid=$(head -n 1 "$cluster/data/postmaster.pid" 2> /dev/null) &&
		[ "$(readlink "/proc/$pid/cwd")" = "$(realpath "$cluster/data")" ]
}

cluster_stop() {
	if cluster_running; then
		as_owner "$bindir/pg_ctl" -D "$cluster/data" -m fast -w -s stop
	fi
}

# cluster_remove NAME: stops the server of an earlier run and deletes its folder
cluster_remove() {
	if cluster_find "$1"; then
		cluster_stop
		rm -rf "$cluster"
	fi
	rm -rf "${top:?}/.work/$1"
}

# cluster_create NAME SETTING…: a new server, started
cluster_create() {
	local name=$1 setting options=() output
	shift

	id "$owner" > /dev/null 2>&1 || die "there is no user $owner for the server to run as"
	as_owner test -x "$bindir/postgres" || die "user $owner can't run $bindir/postgres"
	cluster_remove "$name"

	# a socket's path has at most 107 bytes, and a setting's value its own syntax
	cluster=$top/.work/$name
	if as_owner test -x "$top/.work" && [[ $cluster =~ ^[-+./_A-Za-z0-9]{1,85}$ ]]; then
		mkdir "$cluster"
	else
		cluster=$(mktemp -d "/var/tmp/twinset-$name-XXXXXX")
		ln -s "$cluster" "$top/.work/$name"
	fi
	chmod 700 "$cluster"
	if [ "$EUID" = 0 ]; then
		chown "$owner": "$cluster"
	fi

	output=$(as_owner "$bindir/initdb" -D "$cluster/data" -U postgres -E UTF8 \
		--locale=C.UTF-8 --auth=trust --no-sync --no-instructions 2>&1) ||
		die "initdb failed: $output"
	for setting in listen_addresses= "unix_socket_directories=$cluster" fsync=off \
		shared_buffers=256MB max_wal_size=4GB checkpoint_timeout=30min jit=off "$@"; do
		options+=("${setting%%=*} = '${setting#*=}'")
	done
	printf '%s\n' "${options[@]}" | as_owner tee -a "$cluster/data/postgresql.conf" > /dev/null
	as_owner "$bindir/pg_ctl" -D "$cluster/data" -l "$cluster/log" -w -s start 9>&- ||
		{ cat "$cluster/log"; die "the server did not start"; }
	export PGHOST=$cluster PGUSER=postgres
}
