#!/usr/bin/env bash
# Train on several GPUs (or CPU processes) of one or several machines.
#
#   tools/dist_train.sh CONFIG N [arguments of tools/train.py]
#
# On several machines, start it on each, with the same MASTER_ADDR:
#   NNODES=2 NODE_RANK=0 MASTER_ADDR=10.0.0.1 MASTER_PORT=29500 tools/dist_train.sh CONFIG 4
#   NNODES=2 NODE_RANK=1 MASTER_ADDR=10.0.0.1 MASTER_PORT=29500 tools/dist_train.sh CONFIG 4
set -euo pipefail
if [ $# -lt 2 ]; then
    sed -n 's/^# \{0,1\}//; 2,8p' "$0" >&2
    exit 2
fi
config=$1 processes=$2
shift 2
here=$(dirname "$0")
# One thread a process, unless told otherwise: more would fight for the same cores.
export OMP_NUM_THREADS=${OMP_NUM_THREADS:-1}
exec "${PYTHON:-python}" -m daseg.utils.launch \
    --nnodes="${NNODES:-1}" --node-rank="${NODE_RANK:-0}" --nproc-per-node="$processes" \
    --master-addr="${MASTER_ADDR:-127.0.0.1}" --master-port="${MASTER_PORT:-29500}" \
    "$here/train.py" "$config" --launcher pytorch "$@"
