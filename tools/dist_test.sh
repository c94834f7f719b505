#!/usr/bin/env bash
# Evaluate a checkpoint on several GPUs (or CPU processes); several machines as dist_train.sh.
#
#   tools/dist_test.sh CONFIG CHECKPOINT N [arguments of tools/test.py]
set -euo pipefail
if [ $# -lt 3 ]; then
    sed -n 's/^# \{0,1\}//; 2,4p' "$0" >&2
    exit 2
fi
config=$1 checkpoint=$2 processes=$3
shift 3
here=$(dirname "$0")
export OMP_NUM_THREADS=${OMP_NUM_THREADS:-1}
exec "${PYTHON:-python}" -m daseg.utils.launch \
    --nnodes="${NNODES:-1}" --node-rank="${NODE_RANK:-0}" --nproc-per-node="$processes" \
    --master-addr="${MASTER_ADDR:-127.0.0.1}" --master-port="${MASTER_PORT:-29500}" \
    "$here/test.py" "$config" "$checkpoint" --launcher pytorch "$@"
