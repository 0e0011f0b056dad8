#!/usr/bin/env bash
# Asks the service of this container whether it is ready, and ends with status 0 or 1. Bash can do that by itself: starting Node for
# it would cost more processor time than a service that has nothing to do.
#
#   healthcheck.sh [port] [path]
#
# 426 is what the development chain says, whose server wants WebSockets.
set -euo pipefail

port=${1:-${PORT:-8080}}
path=${2:-/health/ready}

exec 3<>"/dev/tcp/127.0.0.1/$port"
printf 'GET %s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n' "$path" >&3
read -r -t 4 _ status _ <&3
# Docker keeps the answer, and shows it with `docker inspect`: it says what the service waits for.
head --bytes=2000 <&3 | tail --lines=1
[[ $status == 200 || $status == 426 ]]
