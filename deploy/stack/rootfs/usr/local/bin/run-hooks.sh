#!/bin/bash
# Source it with one folder: `source run-hooks.sh DIR`. In name order, *.sh files are sourced (so what they do to the
# environment stays), other executables are run, anything else is passed over. A hook that fails is reported and skipped.

# shellcheck source=/dev/null
source /usr/local/lib/bindery-stack/log.sh

if [[ $# -ne 1 ]]; then
    _log ERROR "run-hooks.sh needs exactly one folder, got $#"
    return 1
fi
if [[ ! -d $1 ]]; then
    _log ERROR "hook folder $1 does not exist or is not a folder"
    return 1
fi

_log INFO "Running hooks in: $1 as uid: $(id -u) gid: $(id -g)"
# Names start with an underscore because sourced hooks share this scope.
for _hook in "${1%/}"/*; do
    [[ -e $_hook ]] || continue
    case $_hook in
        *.sh)
            _log INFO "Sourcing: $_hook"
            # shellcheck source=/dev/null
            if source "$_hook"; then _hook_rc=0; else _hook_rc=$?; fi
            ;;
        *)
            if [[ -d $_hook || ! -x $_hook ]]; then
                _log INFO "Ignoring, not executable: $_hook"
                continue
            fi
            _log INFO "Running: $_hook"
            if "$_hook"; then _hook_rc=0; else _hook_rc=$?; fi
            ;;
    esac
    if [[ $_hook_rc -ne 0 ]]; then
        _log ERROR "$_hook failed with status $_hook_rc, going on without it"
    fi
done
unset _hook _hook_rc
_log INFO "Done running hooks in: $1"
