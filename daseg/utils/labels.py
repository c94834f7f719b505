"""Classes, colours and label ids of the data sets that daseg knows.

A *label id* is what a label file holds; a *train id* is what a network learns: 0..K-1, and 255
where nothing is to be learnt. Names, ids and colours of Cityscapes are those of its official
evaluation (Cordts et al., "The Cityscapes Dataset", CVPR 2016).
"""

import numpy as np

from daseg.utils.errors import DataError

IGNORE = 255

# train id: (class, label id, colour in RGB)
_CITYSCAPES: list[tuple[str, int, tuple[int, int, int]]] = [
    ("road", 7, (128, 64, 128)),
    ("sidewalk", 8, (244, 35, 232)),
    ("building", 11, (70, 70, 70)),
    ("wall", 12, (102, 102, 156)),
    ("fence", 13, (190, 153, 153)),
    ("pole", 17, (153, 153, 153)),
    ("traffic light", 19, (250, 170, 30)),
    ("traffic sign", 20, (220, 220, 0)),
    ("vegetation", 21, (107, 142, 35)),
    ("terrain", 22, (152, 251, 152)),
    ("sky", 23, (70, 130, 180)),
    ("person", 24, (220, 20, 60)),
    ("rider", 25, (255, 0, 0)),
    ("car", 26, (0, 0, 142)),
    ("truck", 27, (0, 0, 70)),
    ("bus", 28, (0, 60, 100)),
    ("train", 31, (0, 80, 100)),
    ("motorcycle", 32, (0, 0, 230)),
    ("bicycle", 33, (119, 11, 32)),
]
CITYSCAPES_CLASSES = tuple(name for name, _, _ in _CITYSCAPES)
CITYSCAPES_PALETTE = [list(colour) for _, _, colour in _CITYSCAPES]
CITYSCAPES_TRAIN_IDS = {label_id: train for train, (_, label_id, _) in enumerate(_CITYSCAPES)}
CITYSCAPES_LABEL_IDS = tuple(label_id for _, label_id, _ in _CITYSCAPES)
# Legal in the files, but not learnt: void classes, rare ones, and -1 (licence plate), which an
# 8-bit file holds as 255.
CITYSCAPES_IGNORED = tuple(i for i in (*range(34), 255) if i not in CITYSCAPES_TRAIN_IDS)

# GTA5's labels follow Cityscapes' ids; its licence plate is 34.
GTA5_IGNORED = (*CITYSCAPES_IGNORED, 34)

# Ros et al., "The SYNTHIA Dataset", CVPR 2016 (SYNTHIA-RAND-CITYSCAPES): label id to Cityscapes'
# train id. 0 void, 13 parking slot, 14 road work and 22 lane marking are not learnt.
SYNTHIA_TRAIN_IDS = {
    3: 0,
    4: 1,
    2: 2,
    21: 3,
    5: 4,
    7: 5,
    15: 6,
    9: 7,
    6: 8,
    16: 9,
    1: 10,
    10: 11,
    17: 12,
    8: 13,
    18: 14,
    19: 15,
    20: 16,
    12: 17,
    11: 18,
}
SYNTHIA_IGNORED = (0, 13, 14, 22)
# Train ids that SYNTHIA results are reported on: without terrain, truck and train; and of those
# without wall, fence and pole.
SYNTHIA_16 = tuple(i for i in range(19) if i not in (9, 14, 16))
SYNTHIA_13 = tuple(i for i in SYNTHIA_16 if i not in (3, 4, 5))

# Brostow et al., "Semantic object classes in video", PRL 2009, in the 11 classes of SegNet.
CAMVID_CLASSES = (
    "sky",
    "building",
    "pole",
    "road",
    "pavement",
    "tree",
    "sign",
    "fence",
    "car",
    "pedestrian",
    "bicyclist",
)
CAMVID_PALETTE = [
    [128, 128, 128],
    [128, 0, 0],
    [192, 192, 128],
    [128, 64, 128],
    [60, 40, 222],
    [128, 128, 0],
    [192, 128, 128],
    [64, 64, 128],
    [64, 0, 128],
    [64, 64, 0],
    [0, 128, 192],
]


def train_ids_to_label_ids(label: np.ndarray) -> np.ndarray:
    """Cityscapes' train ids as the label ids that its evaluation server wants.

    Args:
        label: (H, W) integers, 0..18 or 255.

    Returns:
        (H, W) uint8; 255 becomes 0 (unlabelled).

    Raises:
        DataError: ``label`` holds another value.
    """
    table = np.full(256, IGNORE, np.uint8)  # 255 is no label id of a train id: marks the unknown
    table[: len(CITYSCAPES_LABEL_IDS)] = CITYSCAPES_LABEL_IDS
    table[IGNORE] = 0
    known = (label >= 0) & (label <= 255)
    mapped = table[np.where(known, label, IGNORE - 1).astype(np.uint8)]
    if (mapped == IGNORE).any():
        wrong = np.unique(label[mapped == IGNORE]).tolist()
        raise DataError(f"these are not train ids of Cityscapes (0..18 or 255): {wrong}")
    return mapped
