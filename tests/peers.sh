#!/bin/sh
# Installs the real peers that the tests and the bench run against: as root on Debian, by apt; elsewhere nothing.
# A test whose peer is missing is skipped by name, and fails where CI=true.
set -eu
[ "$(id -u)" = 0 ] && command -v apt-get >/dev/null || exit 0
missing=""
for pair in curl:curl wget:wget openssl:openssl lwp-request:libwww-perl cron:cron sshd:openssh-server ssh:openssh-client systemd-analyze:systemd faketime:faketime rpm:rpm db5.3_load:db5.3-util xrootd:xrootd-server xrdcp:xrootd-client mariadbd:mariadb-server chromium:chromium; do
    PATH="$PATH:/usr/sbin:/sbin" command -v "${pair%%:*}" >/dev/null || missing="$missing ${pair#*:}"
done
# PostgreSQL's own programs are on no PATH; its cluster of the system is none of ours.
ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1 || missing="$missing postgresql"
/usr/bin/python3 -c "import apt_pkg" 2>/dev/null || missing="$missing python3-apt"
# Without any font a browser shows nothing.
[ -e /usr/share/fonts/truetype/dejavu/DejaVuSans.ttf ] || missing="$missing fonts-dejavu-core"
[ -n "$missing" ] || exit 0
echo "installing the tests' peers:$missing"
export DEBIAN_FRONTEND=noninteractive
mkdir -p /etc/postgresql-common
[ -e /etc/postgresql-common/createcluster.conf ] || echo 'create_main_cluster = false' >/etc/postgresql-common/createcluster.conf
apt-get update -qq
# shellcheck disable=SC2086  # a list of words
apt-get install -y -qq --no-install-recommends $missing >/dev/null
