"""Data sets, samplers and transforms: from files to batches."""

from daseg.datasets.acdc import ACDC
from daseg.datasets.auto_augment import AutoAugment, RandAugment, TrivialAugmentWide
from daseg.datasets.base import SampleIndex, SegDataset
from daseg.datasets.bdd100k import BDD100K
from daseg.datasets.camvid import CamVid
from daseg.datasets.cityscapes import Cityscapes
from daseg.datasets.collate import collate
from daseg.datasets.dark_zurich import DarkZurich
from daseg.datasets.domain_pair import DomainPair, PairIndex, PairPreprocessor
from daseg.datasets.files.scan import Layout, Sample, ScanError
from daseg.datasets.firewall import TargetBatch, TargetSample
from daseg.datasets.folder import FolderDataset
from daseg.datasets.gta5 import GTA5
from daseg.datasets.idd import IDD
from daseg.datasets.kitti_step import KITTISTEP
from daseg.datasets.load_image import LoadImageFromFile
from daseg.datasets.loading import LoadLabel, PackSample
from daseg.datasets.mapillary import MapillaryVistas
from daseg.datasets.margins import IgnoreMargins
from daseg.datasets.mixed import MixedDataset
from daseg.datasets.samplers import EndlessSampler, PairSampler, RareClassSampler
from daseg.datasets.synscapes import Synscapes
from daseg.datasets.synthia import SYNTHIA
from daseg.datasets.transforms import PhotoMetricDistortion, RandomCrop, ResizePIL
from daseg.datasets.urbansyn import UrbanSyn

__all__ = [
    "ACDC",
    "BDD100K",
    "GTA5",
    "IDD",
    "KITTISTEP",
    "SYNTHIA",
    "AutoAugment",
    "CamVid",
    "Cityscapes",
    "DarkZurich",
    "DomainPair",
    "EndlessSampler",
    "FolderDataset",
    "IgnoreMargins",
    "Layout",
    "LoadImageFromFile",
    "LoadLabel",
    "MapillaryVistas",
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
    "Synscapes",
    "TargetBatch",
    "TargetSample",
    "TrivialAugmentWide",
    "UrbanSyn",
    "collate",
]
