"""Networks that turn a backbone's features into class logits."""

from daseg.heads.daformer import DAFormerHead
from daseg.heads.deeplabv2 import DeepLabV2Head
from daseg.heads.deeplabv3 import DeepLabV3Head
from daseg.heads.deeplabv3plus import DeepLabV3PlusHead
from daseg.heads.fpn import FPNHead
from daseg.heads.light import LightHead, LinearHead
from daseg.heads.seg_uncertainty import SegUncertaintyHead
from daseg.heads.segformer import SegFormerHead
from daseg.heads.upernet import UPerHead

__all__ = [
    "DAFormerHead",
    "DeepLabV2Head",
    "DeepLabV3Head",
    "DeepLabV3PlusHead",
    "FPNHead",
    "LightHead",
    "LinearHead",
    "SegFormerHead",
    "SegUncertaintyHead",
    "UPerHead",
]
