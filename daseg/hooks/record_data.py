"""Write down which images a run is trained on."""

from pathlib import Path

from mmengine.dist import master_only
from mmengine.hooks import Hook
from mmengine.runner import Runner

from daseg.registry import HOOKS


@HOOKS.register_module()
class RecordDataHook(Hook):
    """Write the list of training images into the work dir, as ``train_images.txt``.

    So that a subset drawn by ``num_samples`` and ``subset_seed`` can be looked up, compared, and
    given back as ``list_file``.
    """

    @master_only
    def before_train(self, runner: Runner) -> None:
        """Write the list."""
        runner.train_dataloader.dataset.write_list(Path(runner.work_dir) / "train_images.txt")
