# Real servers for the scripts that need some; meant to be sourced.
#
# They are installed once, in pinned versions, under $servers, listen on 127.0.0.1 on a free port
# ($port), write their logs into $work, and are stopped by process id ($pid, one at a time). They
# need python3 with venv, and npm.

servers=${CONFORMANCE_SERVERS:-target/servers}
mkdir -p "$servers"
servers=$(cd "$servers" && pwd)
work=$(mktemp -d)
pid=

stop() {
    if [ -n "$pid" ]; then
        kill "$pid" 2>/dev/null || true
        wait "$pid" 2>/dev/null || true
        pid=
    fi
}

step() { printf '\n== %s\n' "$*"; }

free_port() {
    python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'
}

# Waits until the port answers, for at most a minute.
wait_for() {
    python3 - "$1" "$pid" <<'PY'
import os, socket, sys, time
port, pid = int(sys.argv[1]), int(sys.argv[2])
for _ in range(600):
    os.kill(pid, 0)
    try:
        socket.create_connection(("127.0.0.1", port), 1).close()
        sys.exit(0)
    except OSError:
        time.sleep(0.1)
sys.exit(f"nothing listens on port {port}")
PY
}

# python_package PACKAGE PROGRAM
python_package() {
    [ -x "$servers/python/bin/$2" ] && return
    step "install $1"
    [ -d "$servers/python" ] || python3 -m venv "$servers/python"
    "$servers/python/bin/pip" install --quiet --disable-pip-version-check "$1"
}

# start_s3 BUCKET
start_s3() {
    python_package ministack==1.5.33 ministack
    port=$(free_port)
    GATEWAY_PORT=$port BIND_HOST=127.0.0.1 "$servers/python/bin/ministack" >"$work/s3.log" 2>&1 &
    pid=$!
    wait_for "$port"
    python3 -c 'import sys, urllib.request as u; u.urlopen(u.Request(sys.argv[1], method="PUT"))' \
        "http://127.0.0.1:$port/$1"
}

# start_azure CONTAINER
start_azure() {
    if [ ! -d "$servers/node/node_modules/azurite" ]; then
        step "install azurite"
        npm install --silent --no-fund --no-audit --prefix "$servers/node" azurite@3.37.0
    fi
    port=$(free_port)
    node "$servers/node/node_modules/azurite/dist/src/blob/main.js" --silent --disableTelemetry \
        --skipApiVersionCheck --inMemoryPersistence --blobHost 127.0.0.1 --blobPort "$port" \
        >"$work/azure.log" 2>&1 &
    pid=$!
    wait_for "$port"
    # The key is the emulator's well-known one.
    python3 - "$port" "$1" <<'PY'
import base64, email.utils, hashlib, hmac, sys, urllib.request
port, container = sys.argv[1:]
account = "devstoreaccount1"
key = base64.b64decode("Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==")
date, version = email.utils.formatdate(usegmt=True), "2021-08-06"
text = "PUT" + "\n" * 12 + f"x-ms-date:{date}\nx-ms-version:{version}\n"
text += f"/{account}/{account}/{container}\nrestype:container"
signature = base64.b64encode(hmac.new(key, text.encode(), hashlib.sha256).digest()).decode()
urllib.request.urlopen(urllib.request.Request(
    f"http://127.0.0.1:{port}/{account}/{container}?restype=container", method="PUT",
    headers={"x-ms-date": date, "x-ms-version": version,
             "Authorization": f"SharedKey {account}:{signature}"}))
PY
}
