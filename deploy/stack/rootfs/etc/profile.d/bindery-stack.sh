# Debian's /etc/profile resets PATH, and JupyterLab's terminals are login shells.
for _dir in /opt/npm/bin "$HOME/.local/bin" "${REPO_DIR:-$HOME}/.local/bin" /opt/conda/bin; do
    case :$PATH: in
        "$_dir":*) ;;
        *) PATH=$_dir:$PATH ;;
    esac
done
unset _dir
export PATH
