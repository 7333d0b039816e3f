#!/bin/sh
# The sandbox's broker or gateway. Its world is where the drill's cloud is, the router's host, which the address of the pod
# tells: drill N has the pods 10.(64 + 4 N).0.0/14 and its cloud at 172.30.(8 N).1.
if [ -z "${C8_SANDBOX_WORLD:-}" ]; then
  second="$(hostname -i | cut -d . -f 2)"
  export C8_SANDBOX_WORLD="172.30.$(((second - 64) / 4 * 8)).1:${C8_SANDBOX_WORLD_PORT:-7650}"
fi
exec /usr/local/bin/c8-sandbox-broker
