#!/usr/bin/env bash
# What a GPU shows in six minutes: tests, time and memory, as one JSON file. See tests/gpu/run.py.
#   tests/gpu/run.sh gpu.json --wheels FOLDER --peer AdaptSegNet --peer pytorch-CycleGAN
set -euo pipefail
cd "$(dirname "$0")/../.."
exec "${PYTHON:-python3}" tests/gpu/run.py "$@"
