"""DACS with 100 labelled images of the target: semi-supervised adaptation. GTA5 to Cityscapes.

    daseg train dacs/dacs_100_labels

The 100 of `subset_seed` 0 are learnt with their labels, by choice: half of the labelled images in
a batch are theirs, whose classes are pasted onto unlabelled images, too. The report and the
protocol card say so beside every number. The same two options serve any method: see "A few labels
of the target" in docs/data.md.
"""

_base_ = ['./dacs.py']

labelled_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='LoadLabel'),
    dict(type='ResizePIL', scale=(1024, 512), interpolation='bilinear'),
    dict(type='RandomCrop', crop_size=(512, 512)),
    dict(type='PackSample')]
train_dataloader = dict(
    dataset=dict(
        labelled_target=dict(
            type='Cityscapes', root='data/cityscapes', split='train', num_samples=100,
            pipeline=labelled_pipeline),
        labelled_share=0.5))
