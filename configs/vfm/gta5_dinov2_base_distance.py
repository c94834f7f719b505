"""VFM-UDA on DINOv2 ViT-B with the feature distance of VFM-UDA++: GTA5 to Cityscapes.

    daseg train vfm/gta5_dinov2_base_distance

As `gta5_dinov2_base.py`, and on both domains the features of the last block, after a projector, stay
near those of a frozen DINOv2 ViT-L: Englert et al., VFM-UDA++, 2025. There is no published number
of this combination.

Differences from VFM-UDA++: its ViT-Adapter, head and layer-wise rates are not here; it compares
images of slightly changed colours, in passes of their own.
"""

_base_ = ['./gta5_dinov2_base.py']

model = dict(objectives=[
    _base_.source_labels, _base_.projected_distance, _base_.flipped_mix, _base_.flipped_masked])
