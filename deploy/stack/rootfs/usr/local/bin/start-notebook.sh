#!/bin/bash
# The name used before start-notebook.py.
exec /usr/local/bin/start-notebook.py "$@"
