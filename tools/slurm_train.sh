#!/usr/bin/env bash
# Train under Slurm: one task for each GPU.
#
#   tools/slurm_train.sh PARTITION JOB_NAME CONFIG N [arguments of tools/train.py]
#
# GPUS_PER_NODE (default: N, at most 8) and CPUS_PER_TASK (default 5) size the job; SRUN_ARGS is
# handed to srun as it is.
set -euo pipefail
if [ $# -lt 4 ]; then
    sed -n 's/^# \{0,1\}//; 2,7p' "$0" >&2
    exit 2
fi
partition=$1 name=$2 config=$3 gpus=$4
shift 4
here=$(dirname "$0")
per_node=${GPUS_PER_NODE:-$((gpus < 8 ? gpus : 8))}
# The first of the job's machines is where the processes meet.
# shellcheck disable=SC2086
exec srun --partition="$partition" --job-name="$name" --gres=gpu:"$per_node" --ntasks="$gpus" \
    --ntasks-per-node="$per_node" --cpus-per-task="${CPUS_PER_TASK:-5}" --kill-on-bad-exit=1 \
    ${SRUN_ARGS:-} bash -c \
    'MASTER_ADDR=$(scontrol show hostnames "$SLURM_JOB_NODELIST" | head -n 1) exec "$@"' _ \
    "${PYTHON:-python}" -u "$here/train.py" "$config" --launcher slurm "$@"
