# serve.sh postgres|mariadb FOLDER PORT: runs a database server until standard input ends, and removes the folder.
#
# Prints `ready` when the server accepts connections, and `absent` if it is not installed. The database `shop` has the user
# `app` with the password `s3cret`. Standard input ends with the process that started this script, however that process ends.
set -u
kind=$1 folder=$2 port=$3
PATH=$PATH:/usr/sbin:/usr/local/bin:$(echo /usr/lib/postgresql/*/bin | tr ' ' ':')
export LC_ALL=C
cd "$folder" || exit 1

needs() {
    for program in "$@"; do
        command -v "$program" > /dev/null || { echo absent; rm -rf "$folder"; exit 0; }
    done
}

failed() {
    cat "$folder/log" >&2
    exit 1
}

case $kind in
postgres)
    needs initdb pg_ctl psql
    echo s3cret > password
    initdb -D data -U app -A scram-sha-256 --pwfile password --no-sync > log 2>&1 || failed
    pg_ctl -D data -l log -w -t 60 -o "-p $port -k $folder -h 127.0.0.1 -c fsync=off -c deadlock_timeout=50ms" start > /dev/null || failed
    stop() { pg_ctl -D data -m immediate stop > /dev/null 2>&1; }
    PGPASSWORD=s3cret psql -q -h 127.0.0.1 -p "$port" -U app -d postgres -c 'CREATE DATABASE shop' || { stop; failed; }
    ;;
mariadb)
    needs mariadbd mariadb-install-db mariadb-admin
    mariadb-install-db --no-defaults --datadir="$folder/data" --auth-root-authentication-method=normal --skip-test-db > log 2>&1 || failed
    # One statement per line.
    printf '%s;\n' 'CREATE DATABASE shop' "CREATE USER app@'%' IDENTIFIED BY 's3cret'" "GRANT ALL ON *.* TO app@'%'" > init.sql
    mariadbd --no-defaults --datadir="$folder/data" --socket="$folder/socket" --pid-file="$folder/pid" --port="$port" \
        --bind-address=127.0.0.1 --init-file="$folder/init.sql" --innodb-flush-log-at-trx-commit=0 --skip-name-resolve \
        --innodb-lock-wait-timeout=1 >> log 2>&1 < /dev/null &
    stop() { kill -KILL "$!" && wait "$!"; } 2> /dev/null
    mariadb-admin --no-defaults --socket="$folder/socket" --user=root --silent --wait=60 --connect-timeout=60 ping > /dev/null || { stop; failed; }
    ;;
esac
# The process that started this script may have ended.
trap '' PIPE
echo ready
cat > /dev/null
stop
cd / && rm -rf "$folder"
