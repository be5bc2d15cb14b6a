#!/usr/bin/env bash
# Puts RabbitMQ 4.0 beside whatever RabbitMQ this machine has: Debian 13's packages in a folder of their own.
#
#   scripts/broker/rabbitmq4.sh DIR                         as root, on Debian or Ubuntu; about 40 seconds
#   PUKA_RABBITMQ_SERVER=DIR/puka/rabbitmq-server npm test  every private node is then RabbitMQ 4.0
#
# and, to be refused what RabbitMQ 4.3 refuses by default (see deny-deprecated.conf):
#
#   PUKA_RABBITMQ_CONFIG=scripts/broker/deny-deprecated.conf PUKA_RABBITMQ_SERVER=... npm run broker -- start
#
# The wrappers in DIR/puka change root into DIR. They mount /proc, /dev and the folders of the node in a mount
# namespace of their own: paths are the same inside and outside, and nothing stays mounted. `rm -r DIR` undoes all.

set -euo pipefail

usage() {
  echo 'usage: rabbitmq4.sh DIR (as root)' >&2
  exit 2
}

[ $# -eq 1 ] && [ -n "$1" ] || usage
[ "$(id -u)" = 0 ] || usage
root=$(realpath -m "$1")
[ "$root" != / ] || usage

if [ ! -x "$root/usr/lib/rabbitmq/bin/rabbitmq-server" ]; then
  if [ -d "$root" ] && [ -n "$(ls -A "$root")" ]; then
    echo "rabbitmq4.sh: $root is neither empty nor a finished installation" >&2
    exit 1
  fi
  if ! command -v debootstrap > /dev/null; then
    apt-get update
    DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends debootstrap
  fi
  debootstrap --variant=minbase --include=rabbitmq-server trixie "$root"
fi

# The nodes are all named @localhost: inside, that name must resolve too.
grep -qs localhost "$root/etc/hosts" || printf '127.0.0.1 localhost\n::1 localhost\n' > "$root/etc/hosts"

mkdir -p "$root/puka"
for name in rabbitmq-server rabbitmqctl rabbitmq-plugins; do
  cat > "$root/puka/$name" << WRAPPER
#!/bin/sh
# Written by rabbitmq4.sh: the real $name, in its own root folder.
export PUKA_ROOT='$root'
exec unshare --mount --propagation private /bin/sh "\$PUKA_ROOT/puka/enter" /usr/lib/rabbitmq/bin/$name "\$@"
WRAPPER
  chmod 755 "$root/puka/$name"
done

# exec all the way: the process group that the broker scripts signal is then RabbitMQ's own.
cat > "$root/puka/enter" << 'ENTER'
set -e
for folder in /proc /dev /tmp "${TMPDIR:-/tmp}" "$HOME"; do
  mkdir -p "$PUKA_ROOT$folder"
  mountpoint -q "$PUKA_ROOT$folder" || mount --rbind "$folder" "$PUKA_ROOT$folder"
done
root=$PUKA_ROOT
unset PUKA_ROOT
PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
export PATH
exec chroot "$root" "$@"
ENTER

echo "PUKA_RABBITMQ_SERVER=$root/puka/rabbitmq-server"
