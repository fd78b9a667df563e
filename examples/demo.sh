#!/usr/bin/env bash
# The whole main job against a local WeChat: from nothing to 43 users off a merchant's blacklist.
# Every line that begins with "$" is a command that a reader can run likewise.
set -euo pipefail

source_dir=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
build_dir=${WXTP_DEMO_BUILD:-$source_dir/build/release}
world=$(mktemp -d)
simulator_pid=

cleanup() {
    local code=$?
    trap - EXIT INT TERM
    if [ -n "$simulator_pid" ]; then
        kill "$simulator_pid" 2>/dev/null || true
        wait "$simulator_pid" 2>/dev/null || true
    fi
    rm -rf "$world"
    exit "$code"
}
trap cleanup EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

if [ -t 1 ] && [ -z "${NO_COLOR:-}" ]; then bold=$'\e[1m' dim=$'\e[2m' plain=$'\e[0m'; else bold='' dim='' plain=''; fi
number=0
step() { number=$((number + 1)); printf '\n%s%d. %s%s\n' "$bold" "$number" "$*" "$plain"; }
note() { printf '%s   %s%s\n' "$dim" "$*" "$plain"; }
show() { printf '%s$' "$dim"; printf ' %s' "$@"; printf '%s\n' "$plain"; }
run() { show "$@"; "$@"; }
fail() { printf 'demo failed: %s\n' "$*" >&2; exit 1; }
# Runs a command that must end with the given exit code.
expect() {
    local wanted=$1 got=0
    shift
    show "$@"
    "$@" || got=$?
    [ "$got" -eq "$wanted" ] || fail "exit code $got instead of $wanted: $*"
    note "exit code $got"
}

step "Install what the build needs, and build"
run "$source_dir/tests/support/install-packages" build demo
show cmake --preset release "&&" cmake --build --preset release
cmake -S "$source_dir" -B "$build_dir" -G Ninja -DCMAKE_BUILD_TYPE=Release -DWXTP_TESTS=OFF >"$world/build.log" 2>&1 &&
    cmake --build "$build_dir" >>"$world/build.log" 2>&1 || { cat "$world/build.log" >&2; fail "the build"; }
export PATH="$build_dir/examples/admin:$build_dir/examples/simulator:$PATH"
run wxtp-admin --version

step "Start a local WeChat"
show wxtp-simulator --port 0 "&"
wxtp-simulator --port 0 >"$world/simulator" &
simulator_pid=$!
for _ in $(seq 100); do
    grep -q '^listening on ' "$world/simulator" && break
    kill -0 "$simulator_pid" 2>/dev/null || fail "the simulator did not start"
    sleep 0.05
done
WXTP_API_BASE=$(sed -n 's/^listening on //p' "$world/simulator")
[ -n "$WXTP_API_BASE" ] || fail "the simulator did not start"
export WXTP_API_BASE WXTP_DB="$world/wxtp.db"
note "WXTP_API_BASE=$WXTP_API_BASE; without it, wxtp-admin speaks to https://api.weixin.qq.com"
sim() { curl -sS --noproxy '*' --max-time 30 -X POST "$WXTP_API_BASE/sim/$1" -d "$2"; }
# Takes a push out of the simulator's answer and hands it over as an HTTP server would.
receive() {
    local query
    query=$(jq -r .push.query "$1")
    jq -rj .push.body "$1" >"$world/push.xml"
    run wxtp-admin callback --query "$query" --body "$world/push.xml"
}

step "Set the third-party platform up"
component=wx0123456789abcdef
printf 0123456789abcdef0123456789abcdef >"$world/appsecret"
printf wxtpToken2026 >"$world/token"
printf wxtpwxtpwxtpwxtpwxtpwxtpwxtpwxtpwxtpwxtpwx1 >"$world/aes-key"
sim component "{\"component_appid\":\"$component\",\"appsecret\":\"$(cat "$world/appsecret")\",\"token\":\"$(cat "$world/token")\",\"encoding_aes_key\":\"$(cat "$world/aes-key")\"}" >/dev/null
run wxtp-admin platform set --component-appid "$component" --appsecret-file "$world/appsecret" \
    --token-file "$world/token" --aes-key-file "$world/aes-key"

step "Receive an encrypted ticket push"
sim ticket '{"deliver":false}' >"$world/ticket"
receive "$world/ticket"

users() { for i in $(seq "$1" "$2"); do printf 'oUser%023d\n' "$i"; done; }
json_list() { jq -R . | jq -sc .; }
merchant() { # appid, name, more members
    sim merchant "{\"appid\":\"$1\",\"nick_name\":\"$2\",$3}" >/dev/null
    sim authorize "{\"appid\":\"$1\",\"deliver\":false}" >"$world/authorize"
    receive "$world/authorize"
}
first=wxa100000000000001 second=wxa200000000000002 third=wxa300000000000003 fourth=wxa400000000000004

step "Onboard a merchant that granted permission set 2"
merchant "$first" 一号店 "\"kind\":\"service\",\"verify_type\":0,\"permission_sets\":[1,2,15],\"blacklist\":$(users 1 60 | json_list)"
step "Onboard a merchant that granted only permission set 100"
merchant "$second" 二号店 '"kind":"subscription","verify_type":0,"permission_sets":[100]'
step "Onboard a merchant that is not certified"
merchant "$third" 三号店 '"kind":"service","verify_type":-1,"permission_sets":[1,2]'
step "Onboard a mini program"
merchant "$fourth" 小程序 '"kind":"mini_program","verify_type":0,"permission_sets":[2,18]'

step "Take 45 users off the first merchant's blacklist; two of the openids are bad"
{ users 1 43; printf 'oNotAFollowerOfThisAccount%02d\n' 1 2; } >"$world/openids"
expect 3 wxtp-admin unblacklist "$first" --file "$world/openids" --rejects "$world/rejects"
note "the two that WeChat refused, alone:"
run cat "$world/rejects"

step "The uncertified merchant and the mini program are refused before any call"
expect 4 wxtp-admin unblacklist "$third" oUser00000000000000000000001
expect 4 wxtp-admin unblacklist "$fourth" oUser00000000000000000000001

step "Look at the job, the tenants and the record"
job=$(wxtp-admin job list --json | jq -r '.jobs[0].job')
run wxtp-admin job show "$job"
run wxtp-admin tenant list
run wxtp-admin audit

step "Ask the local WeChat who is on the blacklists now"
look() { curl -sS --noproxy '*' --max-time 30 "$WXTP_API_BASE/sim/merchant?appid=$1"; }
show curl "\$WXTP_API_BASE/sim/merchant?appid=$first" "|" jq -c .blacklist
look "$first" | jq -c .blacklist
[ "$(look "$first" | jq -c .blacklist)" = "$(users 44 60 | json_list)" ] || fail "not the right users are off the blacklist"
calls() { curl -sS --noproxy '*' --max-time 30 "$WXTP_API_BASE/sim/journal?path=/cgi-bin/tags/members/batchunblacklist&appid=$1" | jq '.calls | length'; }
for appid in "$third" "$fourth"; do
    [ "$(calls "$appid")" -eq 0 ] || fail "a call was made for $appid"
done
note "users 1 to 43 are off it, 44 to 60 are still on it: the right ones, and only they;"
note "no call was made for the two that were refused"
printf '\n%sDone.%s Nothing is left running; the database was in %s and is gone.\n' "$bold" "$plain" "$world"
