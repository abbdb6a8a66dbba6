#!/bin/bash
# The image's entry point. As root it becomes the user NB_USER/NB_UID/NB_GID describe; as anyone else it makes the best
# of the identity it was given. Then it replaces itself with the command (default: bash).
set -e

# shellcheck source=/dev/null
source /usr/local/lib/bindery-stack/log.sh

default_user=jovyan
default_uid=1000
default_gid=100

cmd=("$@")
if [[ ${#cmd[@]} -eq 0 ]]; then
    cmd=(bash)
fi

if [[ -n ${_START_SH_EXECUTED:-} ]]; then
    _log WARN "start.sh is this image's entry point and has run already; leave it out of the command"
    exec "${cmd[@]}"
fi
export _START_SH_EXECUTED=1

is_yes() {
    [[ $1 == 1 || $1 == yes ]]
}

# The command as it may be shown in a log: credentials in it are not for whoever reads the log.
shown_command() {
    local word
    for word in "${cmd[@]}"; do
        case $word in
            *token=* | *password=*) printf '%s=*** ' "${word%%=*}" ;;
            *) printf '%s ' "$word" ;;
        esac
    done
}

unset_listed_variables() {
    local name
    local -a names=()
    if [[ -n ${JUPYTER_ENV_VARS_TO_UNSET:-} ]]; then
        IFS=, read -ra names <<<"$JUPYTER_ENV_VARS_TO_UNSET"
        for name in "${names[@]}"; do
            unset "$name"
        done
        unset JUPYTER_ENV_VARS_TO_UNSET
    fi
}

# --- root: make the account the NB_* variables ask for ---------------------------------------------------------------

make_account() {
    if [[ $NB_UID -eq 0 ]]; then
        return 0
    fi
    if [[ $(id -u "$NB_USER" 2>/dev/null) == "$NB_UID" && $(id -g "$NB_USER" 2>/dev/null) == "$NB_GID" ]]; then
        return 0
    fi
    local group
    group=${NB_GROUP:-$NB_USER}
    _log INFO "Making user $NB_USER: uid $NB_UID, gid $NB_GID"
    if [[ $NB_GID -ne $default_gid ]]; then
        groupadd --force --non-unique --gid "$NB_GID" "$group"
    fi
    # Delete and add again: usermod would walk the home folder, which may be a large volume somebody mounted.
    local old
    for old in "$default_user" "$NB_USER"; do
        if id "$old" >/dev/null 2>&1; then
            userdel --force "$old" 2>/dev/null
        fi
    done
    useradd --no-log-init --no-create-home --non-unique --home-dir "/home/$NB_USER" --shell /bin/bash \
        --uid "$NB_UID" --gid "$NB_GID" --groups "$default_gid" "$NB_USER"
}

# A user with another name gets another home: a copy, or a link where there is no room for one.
move_home() {
    local from=/home/$default_user to=/home/$NB_USER
    if [[ $NB_USER == "$default_user" ]]; then
        return 0
    fi
    if [[ ! -e $to ]]; then
        _log INFO "Copying $from to $to"
        mkdir "$to"
        if cp -a "$from/." "$to/" && chown -R "$NB_UID:$NB_GID" "$to"; then
            chmod g+rws "$to"
        else
            _log WARN "Copying $from to $to failed, linking it instead"
            rm -rf "$to"
            ln -s "$from" "$to"
        fi
    fi
    if [[ $PWD/ == "$from"/* ]]; then
        cd "$to${PWD#"$from"}" 2>/dev/null || cd "$to"
    fi
}

give_ownership() {
    local path
    local -a paths=() opts=()
    if is_yes "${CHOWN_HOME:-}"; then
        read -ra opts <<<"${CHOWN_HOME_OPTS:-}"
        _log INFO "Giving /home/$NB_USER to $NB_UID:$NB_GID ${CHOWN_HOME_OPTS:-}"
        chown "${opts[@]}" "$NB_UID:$NB_GID" "/home/$NB_USER"
    fi
    if [[ -n ${CHOWN_EXTRA:-} ]]; then
        read -ra opts <<<"${CHOWN_EXTRA_OPTS:-}"
        IFS=, read -ra paths <<<"$CHOWN_EXTRA"
        for path in "${paths[@]}"; do
            _log INFO "Giving $path to $NB_UID:$NB_GID ${CHOWN_EXTRA_OPTS:-}"
            chown "${opts[@]}" "$NB_UID:$NB_GID" "$path"
        done
    fi
}

set_up_sudo() {
    local dir=/etc/sudoers.d
    printf 'Defaults secure_path="%s:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"\n' \
        "$CONDA_DIR/bin" >"$dir/bindery-path"
    chmod 0440 "$dir/bindery-path"
    if is_yes "${GRANT_SUDO:-}"; then
        _log INFO "Granting $NB_USER passwordless sudo"
        printf '%s ALL=(ALL) NOPASSWD:ALL\n' "$NB_USER" >"$dir/bindery-grant"
        chmod 0440 "$dir/bindery-grant"
    fi
}

# --- not root: say what cannot be done -------------------------------------------------------------------------------

adapt_to_given_identity() {
    local uid gid
    uid=$(id -u)
    gid=$(id -g)
    if ! id -un >/dev/null 2>&1; then
        if [[ -w /etc/passwd ]]; then
            _log INFO "Adding a passwd entry for uid $uid"
            local others
            others=$(sed "s/^$default_user:/nayvoj:/" /etc/passwd)
            printf '%s\n%s:x:%s:%s:,,,:/home/%s:/bin/bash\n' "$others" "$default_user" "$uid" "$gid" "$default_user" \
                >/etc/passwd
        else
            _log WARN "uid $uid has no name and /etc/passwd is not writable. Try setting gid=0 with \"--user=$uid:0\""
        fi
    fi
    if [[ $NB_USER != "$default_user" && $NB_USER != "$(id -un 2>/dev/null)" ]]; then
        _log WARN "container must be started as root to change the user's name with NB_USER=\"$NB_USER\""
    fi
    if [[ $NB_UID != "$default_uid" && $NB_UID != "$uid" ]]; then
        _log WARN "container must be started as root to change the user's id with NB_UID=\"$NB_UID\""
    fi
    if [[ $NB_GID != "$default_gid" && $NB_GID != "$gid" ]]; then
        _log WARN "container must be started as root to change the group's id with NB_GID=\"$NB_GID\""
    fi
    if is_yes "${GRANT_SUDO:-}"; then
        _log WARN "container must be started as root to grant sudo with GRANT_SUDO=\"$GRANT_SUDO\""
    fi
    if [[ ! -w $HOME ]]; then
        _log WARN "no write access to $HOME. Try starting the container with \"--group-add=users\""
    fi
}

# --- in order --------------------------------------------------------------------------------------------------------

: "${NB_USER:=$default_user}" "${NB_UID:=$default_uid}" "${NB_GID:=$default_gid}" "${CONDA_DIR:=/opt/conda}"

# shellcheck source=/dev/null
source /usr/local/bin/run-hooks.sh /usr/local/bin/start-notebook.d

if [[ $(id -u) -eq 0 ]]; then
    make_account
    move_home
    give_ownership
    set_up_sudo
    export HOME=/home/$NB_USER USER=$NB_USER LOGNAME=$NB_USER XDG_CACHE_HOME=/home/$NB_USER/.cache
    # shellcheck source=/dev/null
    source /usr/local/bin/run-hooks.sh /usr/local/bin/before-notebook.d
    unset_listed_variables
    _log INFO "Executing as $NB_USER: $(shown_command)"
    # setpriv leaves PATH, LD_LIBRARY_PATH and PYTHONPATH alone and no process between tini and the command.
    exec setpriv --reuid="$NB_UID" --regid="$NB_GID" --init-groups -- "${cmd[@]}"
fi

adapt_to_given_identity
# shellcheck source=/dev/null
source /usr/local/bin/run-hooks.sh /usr/local/bin/before-notebook.d
unset_listed_variables
_log INFO "Executing: $(shown_command)"
exec "${cmd[@]}"
