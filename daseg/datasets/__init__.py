"""Data sets, samplers and transforms: from files to batches."""

from daseg.datasets.auto_augment import AutoAugment, RandAugment, TrivialAugmentWide
from daseg.datasets.base import SampleIndex, SegDataset
from daseg.datasets.camvid import CamVid
from daseg.datasets.cityscapes import Cityscapes
from daseg.datasets.collate import collate
from daseg.datasets.domain_pair import DomainPair, PairIndex, PairPreprocessor
from daseg.datasets.files.scan import Layout, Sample, ScanError
from daseg.datasets.firewall import TargetBatch, TargetSample
from daseg.datasets.folder import FolderDataset
from daseg.datasets.gta5 import GTA5
from daseg.datasets.load_image import LoadImageFromFile
from daseg.datasets.loading import LoadLabel, PackSample
from daseg.datasets.mixed import MixedDataset
from daseg.datasets.samplers import EndlessSampler, PairSampler, RareClassSampler
from daseg.datasets.synthia import SYNTHIA
from daseg.datasets.transforms import PhotoMetricDistortion, RandomCrop, ResizePIL

__all__ = [
    "GTA5",
    "SYNTHIA",
    "AutoAugment",
    "CamVid",
    "Cityscapes",
    "DomainPair",
    "EndlessSampler",
    "FolderDataset",
    "Layout",
    "LoadImageFromFile",
    "LoadLabel",
    "MixedDataset",
    "PackSample",
    "PairIndex",
    "PairPreprocessor",
    "PairSampler",
    "PhotoMetricDistortion",
    "RandAugment",
    "RandomCrop",
    "RareClassSampler",
    "ResizePIL",
    "Sample",
    "SampleIndex",
    "ScanError",
    "SegDataset",
    "TargetBatch",
    "TargetSample",
    "TrivialAugmentWide",
    "collate",
]
