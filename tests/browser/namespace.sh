#!/bin/sh
# Runs a command in a network namespace of its own: Firefox does not use loopback addresses for
# media, so server and browsers meet on a veth address there. Nothing leaves it.
set -eu
if [ "${MEDIA_ADDRESS:-}" = "" ]; then
    MEDIA_ADDRESS=10.77.0.1 exec unshare --map-root-user --net "$0" "$@"
fi
ip link set lo up
ip link add veth-a type veth peer name veth-b
ip address add "$MEDIA_ADDRESS/24" dev veth-a
ip link set veth-a up
ip link set veth-b up
# Firefox offers the addresses of its default route only.
ip route add default via 10.77.0.2
exec "$@"
