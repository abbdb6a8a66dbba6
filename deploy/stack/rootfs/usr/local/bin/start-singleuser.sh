#!/bin/bash
# The name used before start-singleuser.py.
exec /usr/local/bin/start-singleuser.py "$@"
