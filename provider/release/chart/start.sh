# Starts the broker with the node id of its place: ordinals count within the region, ids across both.
# Where another store stands in for a region's, c8_failover says so by an annotation of the pod.
set -eu
export ZEEBE_BROKER_CLUSTER_NODEID=$((${K8S_NAME##*-} * C8_REGIONS + C8_REGION_ID))
if [ -n "${C8_STORE_0:-}" ]; then export ZEEBE_BROKER_EXPORTERS_ELASTICSEARCHREGION0_ARGS_URL="$C8_STORE_0"; fi
if [ -n "${C8_STORE_1:-}" ]; then export ZEEBE_BROKER_EXPORTERS_ELASTICSEARCHREGION1_ARGS_URL="$C8_STORE_1"; fi
exec /usr/local/zeebe/bin/broker
