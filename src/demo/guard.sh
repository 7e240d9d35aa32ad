#!/bin/sh
# Keeps one server for exactly as long as somebody holds our stdin, then stops it and removes its folder.
#
# The holder may die in any way, kill -9 included: its end of the pipe closes with it. Orders come as lines on stdin and
# each is answered by one line on stdout. Words are split at blanks and never expanded, so no word may hold a blank.
#
#   sh guard.sh FOLDER SIGNAL    FOLDER must not exist; SIGNAL is how the server is stopped at the end
#
#   run WORDS       runs a command in FOLDER and answers its exit code
#   start WORDS     starts the server in FOLDER and answers its process id
#   signal NAME     sends a signal to the server
#   stop NAME       stops the server by a signal, after ten seconds by KILL
#
# Not for more than one server at a time.
set -f
trap '' HUP INT QUIT TERM PIPE
umask 077
mkdir "$1" || exit 1
cd "$1" || exit 1
echo 0
keeper=

server() {
    tries=0
    while [ ! -s pid ] && [ "$tries" -lt 100 ]; do
        sleep 0.05
        tries=$((tries + 1))
    done
    # One line in any case: no file, an empty answer.
    # shellcheck disable=SC2005
    echo "$(cat pid 2>/dev/null)"
}

halt() {
    [ -n "$keeper" ] || return 0
    victim=$(server)
    if [ ! -e exited ]; then
        kill -s "$1" "$victim" 2>/dev/null
        kill -s CONT "$victim" 2>/dev/null
    fi
    (
        tries=0
        while [ "$tries" -lt 100 ]; do
            [ -e exited ] && exit 0
            sleep 0.1
            tries=$((tries + 1))
        done
        kill -s KILL "$victim"
    ) >/dev/null 2>&1 &
    hunter=$!
    wait "$keeper"
    kill -s KILL "$hunter" 2>/dev/null
    wait "$hunter" 2>/dev/null
    keeper=
}

while read -r verb words; do
    case $verb in
    run)
        $words </dev/null >>log 2>&1
        echo "$?"
        ;;
    start)
        halt KILL
        rm -f pid exited
        (
            $words </dev/null >>log 2>&1 &
            echo "$!" >pid
            wait "$!"
            echo "$?" >exited
        ) </dev/null >/dev/null 2>&1 &
        keeper=$!
        server
        ;;
    signal)
        kill -s "$words" "$(server)" 2>/dev/null
        echo "$?"
        ;;
    stop)
        halt "$words"
        echo 0
        ;;
    esac
done
halt "$2"
cd / && rm -rf "$1"
