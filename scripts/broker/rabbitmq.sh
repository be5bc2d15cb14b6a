#!/usr/bin/env bash
# Puts another RabbitMQ beside whatever this machine has: Debian's packages in a folder of their own.
#
#   scripts/broker/rabbitmq.sh RELEASE DIR                  as root, on Debian or Ubuntu; about 40 seconds
#   PUKA_RABBITMQ_SERVER=DIR/puka/rabbitmq-server npm test  every private node is then of that release
#
# RELEASE is 4.0 (of Debian 13) or 4.3 (of Debian sid). A second call on a finished DIR changes nothing.
#
# The wrappers in DIR/puka change root into DIR. They mount /proc, /dev and the folders of the node in a mount
# namespace of their own: paths are the same inside and outside, and nothing stays mounted. `rm -r DIR` undoes all.

set -euo pipefail

fail() {
  echo "rabbitmq.sh: $*" >&2
  exit 1
}

usage() {
  echo 'usage: rabbitmq.sh 4.0|4.3 DIR (as root, on Debian or Ubuntu)' >&2
  exit 2
}

[ $# -eq 2 ] && [ -n "$2" ] || usage
release=$1
case $release in
  4.0) suite=trixie ;;
  4.3) suite=sid ;;
  *) usage ;;
esac
# debootstrap and chroot ask for both.
[ "$(id -u)" = 0 ] && command -v dpkg-query > /dev/null || fail 'must be run as root, on Debian or Ubuntu'
root=$(realpath -m "$2")
[ "$root" != / ] || usage

# The version in the folder $1; nothing unless its packages are installed to the end.
installed() {
  { dpkg-query --admindir="$1/var/lib/dpkg" --show --showformat='${Status} ${Version}\n' rabbitmq-server || true; } \
    2> /dev/null | sed -n 's/^install ok installed //p'
}

# In a mount namespace, so that what debootstrap mounts has gone when it ends, however it ends. Services are not
# started: debootstrap keeps them from it.
bootstrap() {
  unshare --mount --propagation private \
    debootstrap --variant=minbase --include=rabbitmq-server "$suite" "$1" http://deb.debian.org/debian
}

version=$(installed "$root")
if [ -z "$version" ]; then
  if [ -d "$root" ] && [ -n "$(ls -A "$root")" ]; then
    fail "$root is neither empty nor a finished installation"
  fi
  if ! command -v debootstrap > /dev/null; then
    apt-get update
    DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends debootstrap debian-archive-keyring
  fi
  # Made beside its place and moved there at last: what is in its place is finished.
  mkdir -p "$(dirname "$root")"
  unfinished=$(mktemp -d "$root.unfinished.XXXXXX")
  trap 'rm -rf --one-file-system "$unfinished"' EXIT
  chmod 755 "$unfinished"
  bootstrap "$unfinished" || fail "debootstrap could not install $suite"
  version=$(installed "$unfinished")
fi

# Debian sid moves on: better no installation than one that is taken for another release.
[[ $version == "$release".* ]] || fail "this is RabbitMQ ${version:-of no known version}, not $release"

if [ -n "${unfinished:-}" ]; then
  # Another call may have been faster.
  mv -T "$unfinished" "$root" 2> /dev/null || [ -n "$(installed "$root")" ] || fail "$root cannot be made"
fi

# The nodes are all named @localhost: inside, that name must resolve too.
grep -qs localhost "$root/etc/hosts" || printf '127.0.0.1 localhost\n::1 localhost\n' > "$root/etc/hosts"

mkdir -p "$root/puka"
for name in rabbitmq-server rabbitmqctl rabbitmq-plugins; do
  cat > "$root/puka/$name" << WRAPPER
#!/bin/sh
# Written by rabbitmq.sh: the real $name, in its own root folder.
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
