# shellcheck shell=bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# A real Ceph cluster on loopback, up in about a second; story.sh reads this.
#
#	ceph_up [OSDS]           1 (one copy of everything) or 3 (three copies)
#	ceph_uri                 what to give to --store
#	ceph_kill osd.0          power failure of one daemon (osd.N or mon.a)
#	ceph_start osd.0         the same daemon again
#	ceph_mgr_up              a manager daemon, which some answers need: see below
#	ceph_fence IMAGE…        whoever has one of them open is cut off
#	ceph_stop, ceph_resume   all daemons in good order, and again
#	ceph_down                stops it and removes its data (also done when the story ends)
#
# CEPH_EXTRA="key = value" before ceph_up goes into the clients' part of the configuration,
# CEPH_AUTH=cephx turns authentication on. CEPH_CONF is exported for the ceph, rados and rbd
# commands. No systemd: the daemons are processes of the story, named ceph.osd.0 and so on,
# which keep everything in $STORY/ceph.
#
# Without a manager daemon everything works but statistics: how full a pool is (ceph df), and
# so a pool's quota. It needs 150 MB of memory and some seconds, so most stories have none.

ceph_up() {
	CEPH_OSDS=${1:-1}
	need ceph-mon ceph-osd monmaptool ceph rados
	CEPH_DIR=$STORY/ceph
	export CEPH_CONF=$CEPH_DIR/ceph.conf
	mkdir -p "$CEPH_DIR/crash"
	ceph_port
	{ ceph_configure && ceph_configure_daemons; } >"$CEPH_CONF"
	ceph_keyring
	ceph_monitor_up
	ceph_osds_up
	ceph_pool_up
}

ceph_uri() {
	echo "rbd:rbd?conf=$CEPH_CONF"
}

ceph_start() {
	case $1 in
	mon.*) process_start "ceph.$1" ceph-mon -f -i "${1#*.}" -c "$CEPH_CONF" ;;
	osd.*) process_start "ceph.$1" ceph-osd -f -i "${1#*.}" -c "$CEPH_CONF" ;;
	mgr.*) process_start "ceph.$1" ceph-mgr -f -i "${1#*.}" -c "$CEPH_CONF" ;;
	esac
}

ceph_kill() {
	process_kill "ceph.$1"
}

# The monitor goes last: the others tell it that they go.
ceph_stop() {
	local i
	process_stop ceph.mgr.x
	for ((i = 0; i < CEPH_OSDS; i++)); do
		process_stop "ceph.osd.$i"
	done
	process_stop ceph.mon.a
}

ceph_resume() {
	local i
	ceph_start mon.a
	for ((i = 0; i < CEPH_OSDS; i++)); do
		ceph_start "osd.$i"
	done
	wait_until 120 ceph_serves
}

ceph_down() {
	ceph_stop
	rm -rf "$CEPH_DIR"
}

# What is done to a dead host's clients: Ceph takes them for alive for 30 s more, and for so long
# nobody else could write to these images of pool rbd.
ceph_fence() {
	local image address
	for image in "$@"; do
		for address in $(rbd status --format json "rbd/$image" | python3 -c '
import json, sys
print(*(w["address"] for w in json.load(sys.stdin)["watchers"]))'); do
			timeout 60 ceph osd blocklist add "$address" 2>>"$STORY/ceph.log" >&2
		done
	done
}

# True when every placement group answers: listing a pool asks all of them. A client that
# still has an OSD's old address asks for a new map only after a time limit, 10 s by default.
ceph_serves() {
	timeout 30 rados --objecter-timeout=1 -p rbd ls >/dev/null 2>&1
}

# A free port below those that the kernel hands out. The OSDs look for theirs above it.
ceph_port() {
	local attempt
	for ((attempt = 0; attempt < 100; attempt++)); do
		CEPH_PORT=$((20000 + RANDOM % 12000))
		(exec 3<>"/dev/tcp/127.0.0.1/$CEPH_PORT") 2>/dev/null || return 0
	done
	fail "no free port for the Ceph monitor"
}

ceph_configure() {
	local copies=$((CEPH_OSDS < 3 ? CEPH_OSDS : 3)) auth=${CEPH_AUTH:-none}
	CEPH_FSID=$(</proc/sys/kernel/random/uuid)
	cat <<CONF
[global]
fsid = $CEPH_FSID
mon_host = [v2:127.0.0.1:$CEPH_PORT/0]
public_addr = 127.0.0.1
cluster_addr = 127.0.0.1
ms_bind_msgr1 = false
ms_bind_port_min = $((CEPH_PORT + 1))
ms_bind_port_max = $((CEPH_PORT + 60))
auth_cluster_required = $auth
auth_service_required = $auth
auth_client_required = $auth
auth_allow_insecure_global_id_reclaim = false
keyring = $CEPH_DIR/keyring
run_dir = $CEPH_DIR
admin_socket = $CEPH_DIR/\$name.asok
pid_file =
crash_dir = $CEPH_DIR/crash
log_file = $CEPH_DIR/\$name.log
log_to_stderr = false
mon_cluster_log_file = $CEPH_DIR/cluster.log
osd_pool_default_size = $copies
osd_pool_default_min_size = $((copies > 1 ? copies - 1 : 1))
osd_pool_default_pg_num = 8
osd_pool_default_pgp_num = 8
osd_pool_default_pg_autoscale_mode = off
osd_crush_chooseleaf_type = 0
mon_allow_pool_size_one = true
mon_allow_pool_delete = true
mon_warn_on_pool_no_redundancy = false
mon_data_avail_warn = 2
mon_data_avail_crit = 1
paxos_propose_interval = 0.02
paxos_min_wait = 0.01
CONF
}

ceph_configure_daemons() {
	cat <<CONF
[mon]
mon_data = $CEPH_DIR/mon.\$id
[osd]
osd_data = $CEPH_DIR/osd.\$id
keyring = $CEPH_DIR/osd.\$id/keyring
osd_objectstore = bluestore
osd_fast_shutdown = true
osd_crush_initial_weight = 1
osd_max_pg_per_osd_hard_ratio = 10
mgr_stats_period = 1
osd_op_num_shards = 2
osd_op_num_threads_per_shard = 2
bluestore_block_size = 17179869184
bluestore_fsck_on_mkfs = false
bluestore_rocksdb_cf = false
bluestore_cache_autotune = false
bluestore_cache_size = 134217728
bdev_aio_poll_ms = 10
[mgr]
mgr_data = $CEPH_DIR/mgr.\$id
keyring = $CEPH_DIR/mgr.\$id/keyring
mgr_tick_period = 1
mgr_initial_modules =
[client]
objecter_tick_interval = 0.25
log_file =
admin_socket =
${CEPH_EXTRA:-}
CONF
}

# One file with the keys of the monitor, the administrator and, later, the OSDs.
ceph_keyring() {
	ceph-authtool --create-keyring "$CEPH_DIR/keyring" --gen-key -n mon. \
		--cap mon 'allow *' >/dev/null
	ceph-authtool "$CEPH_DIR/keyring" --gen-key -n client.admin \
		--cap mon 'allow *' --cap osd 'allow *' >/dev/null
}

ceph_monitor_up() {
	monmaptool --create --fsid "$CEPH_FSID" --addv a "[v2:127.0.0.1:$CEPH_PORT]" \
		"$CEPH_DIR/monmap" >/dev/null
	ceph-mon --mkfs -i a --monmap "$CEPH_DIR/monmap" -c "$CEPH_CONF" >"$STORY/ceph.mon.a.log" 2>&1
	ceph_start mon.a
}

# The data folders are made at the same time, which is what takes long here.
ceph_osds_up() {
	local i made=()
	for ((i = 0; i < CEPH_OSDS; i++)); do
		ceph_osd_make "$i" &
		made+=($!)
	done
	for ((i = 0; i < CEPH_OSDS; i++)); do
		wait "${made[i]}" || fail "the data folder of osd.$i could not be made"
		ceph_start "osd.$i"
	done
}

ceph_osd_make() {
	local id=$1 uuid key
	uuid=$(</proc/sys/kernel/random/uuid)
	key=$(ceph-authtool --gen-print-key)
	mkdir "$CEPH_DIR/osd.$id"
	ceph-authtool --create-keyring "$CEPH_DIR/osd.$id/keyring" -n "osd.$id" \
		--add-key "$key" >/dev/null
	ceph-osd --mkfs -i "$id" --osd-uuid "$uuid" -c "$CEPH_CONF" --no-mon-config \
		>"$STORY/ceph.osd.$id.log" 2>&1
	echo "{\"cephx_secret\": \"$key\"}" | timeout 60 ceph osd new "$uuid" "$id" -i - >/dev/null
}

ceph_mgr_up() {
	need ceph-mgr
	mkdir -p "$CEPH_DIR/mgr.x"
	timeout 60 ceph auth get-or-create mgr.x mon 'allow profile mgr' osd 'allow *' \
		>"$CEPH_DIR/mgr.x/keyring"
	ceph_start mgr.x
	wait_until 120 ceph_knows_room
}

# True when a manager has told the monitor how large the OSDs are.
ceph_knows_room() {
	(($(timeout 30 ceph df -f json 2>/dev/null | json stats.total_bytes) > 0))
}

ceph_pool_up() {
	timeout 60 ceph osd pool create rbd 8 2>>"$STORY/ceph.log" >&2
	timeout 60 ceph osd pool application enable rbd rbd 2>>"$STORY/ceph.log" >&2
	wait_until 120 ceph_serves
}
