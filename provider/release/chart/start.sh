# Starts the broker with the node id of its place: ordinals count within the region, ids across both.
set -eu
export ZEEBE_BROKER_CLUSTER_NODEID=$((${K8S_NAME##*-} * C8_REGIONS + C8_REGION_ID))
exec /usr/local/zeebe/bin/broker
