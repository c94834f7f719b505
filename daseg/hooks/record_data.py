"""Write down which images a run is trained on."""

from pathlib import Path

from mmengine.dist import master_only
from mmengine.hooks import Hook
from mmengine.runner import Runner

from daseg.datasets.domain_pair import DomainPair
from daseg.registry import HOOKS


@HOOKS.register_module()
class RecordDataHook(Hook):
    """Write the list of training images into the work dir, as ``train_images.txt``.

    So that a subset drawn by ``num_samples`` and ``subset_seed`` can be looked up, compared, and
    given back as ``list_file``. Two domains have a list each: ``train_images_source.txt`` and
    ``train_images_target.txt``.
    """

    @master_only
    def before_train(self, runner: Runner) -> None:
        """Write the list, or the two."""
        dataset, folder = runner.train_dataloader.dataset, Path(runner.work_dir)
        if isinstance(dataset, DomainPair):
            if dataset.source is not None:
                dataset.source.write_list(folder / "train_images_source.txt")
            dataset.target.write_list(folder / "train_images_target.txt")
        else:
            dataset.write_list(folder / "train_images.txt")
