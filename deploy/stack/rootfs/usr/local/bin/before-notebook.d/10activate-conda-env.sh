# The prefix is one environment and the image's own variables already activate it; this puts them back when a
# hook or `docker run -e` took one away, without starting a process.
export CONDA_DIR=${CONDA_DIR:-/opt/conda}
export CONDA_PREFIX=${CONDA_PREFIX:-$CONDA_DIR} CONDA_DEFAULT_ENV=${CONDA_DEFAULT_ENV:-base}
case :$PATH: in
    *":$CONDA_DIR/bin:"*) ;;
    *) export PATH=$CONDA_DIR/bin:$PATH ;;
esac
