# shellcheck shell=bash
# Sourced by the start scripts: `_log LEVEL message...` writes one line to standard error.
# JUPYTER_DOCKER_STACKS_QUIET silences INFO only; colours need a terminal and no NO_COLOR.

_log() {
    local level=$1 colour='' reset=''
    shift
    if [[ $level == INFO && -n ${JUPYTER_DOCKER_STACKS_QUIET:-} ]]; then
        return 0
    fi
    if [[ -t 2 && -z ${NO_COLOR:-} ]]; then
        reset=$'\e[0m'
        case $level in
            ERROR) colour=$'\e[31m' ;;
            WARN) colour=$'\e[33m' ;;
            *) colour=$'\e[32m' ;;
        esac
    fi
    printf '%s%s[%(%F %T)T]%s %s\n' "$colour" "$level" -1 "$reset" "$*" >&2
}
