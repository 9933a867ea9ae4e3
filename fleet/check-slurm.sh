#!/bin/sh
# Runs the fleet of Slurm for real: a cluster of one node on this machine, an array of five blocks
# that are stopped early and go back to the queue until they are done, the merge after them, and one
# run of the whole to compare with, byte for byte. Wants root, slurm-wlm and munge.
#
#   VOPR   the program (default: it is built)
#   SEEDS  seeds of the campaign (default: 4000)
set -eu
here=$(cd "$(dirname "$0")" && pwd)
cd "$here/.."
for tool in munged slurmctld slurmd sbatch; do
    command -v "$tool" >/dev/null || { echo "skipped: no $tool (apt-get install slurm-wlm munge)"; exit 0; }
done
if [ -z "${VOPR:-}" ]; then
    cargo build --release --quiet
    VOPR=${CARGO_TARGET_DIR:-$PWD/target}/release/vopr
fi

cluster=$(mktemp -d)
end() {
    for daemon in slurmd slurmctld munged; do
        [ ! -s "$cluster/$daemon.pid" ] || kill "$(cat "$cluster/$daemon.pid")" 2>/dev/null || true
    done
    sleep 1
    rm -rf "$cluster"
}
trap end EXIT
chmod 755 "$cluster"
mkdir "$cluster/state" "$cluster/spool"
head -c 1024 /dev/urandom >"$cluster/munge.key"
chmod 400 "$cluster/munge.key"
node=$(hostname -s)
cat >"$cluster/slurm.conf" <<CONF
ClusterName=one
SlurmctldHost=$node(127.0.0.1)
AuthType=auth/munge
AuthInfo=socket=$cluster/munge.socket
SlurmUser=root
SlurmdUser=root
StateSaveLocation=$cluster/state
SlurmdSpoolDir=$cluster/spool
SlurmctldPidFile=$cluster/slurmctld.pid
SlurmdPidFile=$cluster/slurmd.pid
SlurmctldPort=16817
SlurmdPort=16818
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
ReturnToService=2
MpiDefault=none
SchedulerParameters=requeue_delay=1
NodeName=$node NodeAddr=127.0.0.1 CPUs=$(nproc) State=UNKNOWN
PartitionName=all Nodes=ALL Default=YES MaxTime=INFINITE State=UP
CONF
export SLURM_CONF="$cluster/slurm.conf"
munged --force --key-file="$cluster/munge.key" --socket="$cluster/munge.socket" \
    --pid-file="$cluster/munged.pid" --log-file="$cluster/munged.log" \
    --seed-file="$cluster/munged.seed" 2>/dev/null
slurmctld -L "$cluster/slurmctld.log"
slurmd -L "$cluster/slurmd.log"

VOPR_ITERATIONS=${SEEDS:-4000}
VOPR_OUTPUT_DIR=$cluster/run
VOPR_FLEET=$here
VOPR_OPTS="--no-faults"
export VOPR VOPR_ITERATIONS VOPR_OUTPUT_DIR VOPR_FLEET VOPR_OPTS
mkdir "$VOPR_OUTPUT_DIR"
# Every session of a block ends after a second, undecided, and goes back to the queue.
VOPR_OPTS="$VOPR_OPTS --budget 1s" sbatch --parsable --array=1-5 --export=ALL,VOPR_BLOCKS=5 \
    --cpus-per-task=1 --mem-per-cpu=0 --output="$cluster/%a.log" fleet/slurm.sbatch >"$cluster/job"
sbatch --dependency=afterany:"$(cat "$cluster/job")" --output="$cluster/found" \
    --wrap "$here/merge.sh" >/dev/null
waited=0
while [ -n "$(squeue -h)" ]; do
    sleep 2
    waited=$((waited + 2))
    [ "$waited" -lt 1500 ] || { squeue; tail "$cluster/slurmctld.log"; exit 1; }
done
"$VOPR" run -n "$VOPR_ITERATIONS" $VOPR_OPTS >"$cluster/expected" 2>/dev/null
cmp "$cluster/expected" "$cluster/found"
sessions=$(cat "$VOPR_OUTPUT_DIR"/block-*/vopr.log | grep -c 'began\|went on')
echo "five blocks of $VOPR_ITERATIONS seeds in $sessions sessions come to what one run comes to"
