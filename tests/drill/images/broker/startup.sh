#!/bin/sh
# The entry point of the official image: broker or stand-alone gateway.
if [ "${ZEEBE_STANDALONE_GATEWAY:-false}" = "true" ]; then
  exec /usr/local/zeebe/bin/gateway "$@"
fi
exec /usr/local/zeebe/bin/broker "$@"
