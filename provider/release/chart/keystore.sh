# Keeps the key of the backup bucket in the keystore of Elasticsearch.
#
# `once` runs before Elasticsearch: copies the configuration to the shared volume and makes a keystore.
# `watch` runs beside it: takes over a key that arrives or changes later. POST /_nodes/reload_secure_settings then
# makes Elasticsearch read it, without a restart.
set -eu

home="${KEYSTORE_HOME:-/usr/share/elasticsearch}"
key="${KEYSTORE_KEY:-/key}/gcs.client.default.credentials_file"
config="${KEYSTORE_CONFIG:-/config}"
pause="${KEYSTORE_PAUSE:-2}"
export ES_PATH_CONF="$config"
seen=""

# the first process of a container is not ended by a signal that it does not handle: its pod would be Terminating for 30 s
trap 'exit 143' TERM

take_over() {
  [ -s "$key" ] || return 0
  sum="$(cksum <"$key")"
  [ "$sum" != "$seen" ] || return 0
  if "$home/bin/elasticsearch-keystore" add-file -f gcs.client.default.credentials_file "$key"; then
    seen="$sum"
    echo "keystore: took over the key of the backup bucket"
  else
    echo "keystore: could not take over the key of the backup bucket, trying again"
  fi
}

case "$1" in
  once)
    cp -R "$home/config/." "$config/"
    [ -e "$config/elasticsearch.keystore" ] || "$home/bin/elasticsearch-keystore" create
    take_over
    ;;
  watch)
    while :; do
      take_over
      sleep "$pause"
    done
    ;;
esac
