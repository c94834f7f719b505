"""Networks that turn a backbone's features into class logits."""

from daseg.heads.deeplabv2 import DeepLabV2Head
from daseg.heads.deeplabv3 import DeepLabV3Head
from daseg.heads.deeplabv3plus import DeepLabV3PlusHead
from daseg.heads.seg_uncertainty import SegUncertaintyHead

__all__ = ["DeepLabV2Head", "DeepLabV3Head", "DeepLabV3PlusHead", "SegUncertaintyHead"]
