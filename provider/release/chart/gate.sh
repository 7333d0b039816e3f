# Decides whether this broker may start. POSIX sh; runs in busybox.
#
# - c8-mode says hold: wait, whatever the disk holds.
# - The disk is initialised: start at once. A restart must never wait for the other region, which may be lost.
# - The disk is empty: wait, without limit, until the other region admits this broker, that is until the Service
#   c8-admit-<id> in its namespace resolves. No name, no answer and an error all mean: wait.
set -u

data="${GATE_DATA:-/data}"
mode="${GATE_MODE:-/etc/c8-mode}"
pause="${GATE_PAUSE:-2}"
patience="${GATE_PATIENCE:-10}"

ordinal="${C8_POD_NAME##*-}"
id=$((ordinal * C8_REGIONS + C8_REGION_ID))
# the last dot keeps search domains out: a wildcard of theirs must not admit anybody
admit="c8-admit-${id}.${C8_PEER_NAMESPACE}.svc.cluster.local."

# the first process of a container is not ended by a signal that it does not handle: its pod would be Terminating for 30 s
trap 'exit 143' TERM

say() {
  echo "gate: broker ${id}: $*"
}

# says the same thing once only, not every few seconds
told=""
tell() {
  if [ "$told" != "$*" ]; then
    told="$*"
    say "$*"
  fi
}

held() {
  [ -r "${mode}/hold" ] && [ "$(cat "${mode}/hold")" = "true" ]
}

initialised() {
  [ -s "${data}/.topology.meta" ] && return 0
  for meta in "${data}"/raft-partition/partitions/*/*.meta; do
    [ -s "$meta" ] && return 0
  done
  return 1
}

# only an answer with an address counts; the exit code of nslookup differs between versions
admitted() {
  timeout "$patience" nslookup "$admit" 2>/dev/null | awk '
    /^Name:/ { named = 1 }
    named && /^Address/ { found = 1 }
    END { exit !found }'
}

while :; do
  if held; then
    tell "held by ConfigMap c8-mode; c8_failover lifts the hold"
  elif initialised; then
    say "disk initialised: start"
    exit 0
  elif admitted; then
    say "disk empty, ${admit} resolves: admitted, start"
    exit 0
  else
    tell "disk empty and ${admit} does not resolve: waiting to be admitted. A step of c8_failover does it; by hand, only if no other fresh broker is starting: kubectl --namespace ${C8_PEER_NAMESPACE} create service clusterip c8-admit-${id} --tcp=26502"
  fi
  sleep "$pause"
done
