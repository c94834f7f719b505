"""Whether a checkpoint belongs to the run that is resumed from it."""

from typing import Any

from daseg.utils.errors import CheckpointError


def check_same_run(runner: Any, filename: str, meta: dict[str, Any]) -> None:
    """Refuse a checkpoint of another seed, batch size or number of processes; warn of the rest.

    Args:
        runner: The run that is to go on.
        filename: The checkpoint.
        meta: What it says of itself.

    Raises:
        CheckpointError: The stream of samples could not go on where it stopped.
    """
    for key, now in identity(runner).items():
        if meta[key] != now:
            raise CheckpointError(
                f"{filename} was trained with {key}={meta[key]}, this run has {now}: "
                "resume with the same, so that it is the same run"
            )
    own = settings_of(runner)
    changed = [key for key, text in meta["settings"].items() if own.get(key) != text]
    if changed:
        runner.logger.warning(
            f"resuming with another {', '.join(changed)} than {filename} was trained with: "
            "this is not the run that would have gone on without a stop"
        )


def identity(runner: Any) -> dict[str, int]:
    """What must be the same for the stream of samples to go on where it stopped."""
    batch_size = runner.train_dataloader.batch_size
    return dict(seed=runner.seed, world_size=runner.world_size, batch_size=batch_size)


def settings_of(runner: Any) -> dict[str, str]:
    """What else makes a run what it is, as text."""
    settings = dict(dataset=runner.cfg.get("train_dataloader", {}).get("dataset"))
    for key in ("model", "optim_wrapper", "param_scheduler"):
        settings[key] = runner.cfg.get(key)
    own = [h for h in runner.cfg.get("custom_hooks") or [] if isinstance(h, dict)]
    settings["pseudo_label_hook"] = [h for h in own if h.get("type") == "PseudoLabelHook"]
    # Their folder may hold others by now.
    settings["pseudo_labels"] = (runner.origin.pseudo_labels() or {}).get("manifest_sha256")
    return {key: repr(_sorted(value)) for key, value in settings.items()}


def _sorted(value: Any) -> Any:
    """The same value whatever order its keys were written in; prepared samples are the same."""
    if isinstance(value, dict):
        return {k: _sorted(value[k]) for k in sorted(value, key=str) if k != "prepared"}
    return [_sorted(item) for item in value] if isinstance(value, (list, tuple)) else value
