"""Write down which images a run is trained on."""

from pathlib import Path

from mmengine.dist import master_only
from mmengine.hooks import Hook
from mmengine.runner import Runner

from daseg.datasets.domain_pair import DomainPair
from daseg.datasets.rare_classes import RareClasses
from daseg.registry import HOOKS
from daseg.utils.files import atomic_write_text
from daseg.visualization.class_shares import plot_classes


@HOOKS.register_module()
class RecordDataHook(Hook):
    """Write the list of training images into the work dir, as ``train_images.txt``.

    A subset that was drawn by ``num_samples`` and ``subset_seed`` can thus be looked up, compared,
    and used again as ``list_file``. Two domains have a list each: ``train_images_source.txt`` and
    ``train_images_target.txt``.

    Where samples are drawn for a class (`RareClassSampler`), ``class_sampling.txt`` and
    ``class_sampling.png`` show each class's share of the pixels and how often it is drawn for.
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
        sampler = runner.train_dataloader.sampler
        rare: RareClasses | None = getattr(getattr(sampler, "source", sampler), "rare", None)
        if rare is not None:
            text = "\n".join([rare.table(), *rare.notes()]) + "\n"
            atomic_write_text(folder / "class_sampling.txt", text)
            plot_classes(rare, folder / "class_sampling.png")
