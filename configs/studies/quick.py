"""A small study: what adaptation from GTA5 to Cityscapes gains between source-only and supervised.

    daseg study studies/quick --world demo
    daseg study studies/quick                  # GTA5 and Cityscapes, on GPUs

Seg-Uncertainty's first stage and AdaptSegNet with one level, each beside the same network trained
without target images, and with their labels. `logged` is the mIoU of an earlier study.
"""

title = 'Adaptation between its two ends'
seeds = [1, 2, 3]

adaptsegnet = dict(
    group='AdaptSegNet', baseline='adaptseg_source_only', oracle='adaptseg_supervised')
stage_one = dict(
    group='First stage of Seg-Uncertainty', baseline='source_only', oracle='cityscapes_seg')
rows = [
    dict(name='adaptseg_source_only', data='GTA5', config='configs/adaptseg/source_only.py',
         **adaptsegnet),
    dict(name='adaptseg_single', data='GTA5 + Cityscapes (unlabelled)',
         config='configs/adaptseg/single_vanilla.py', **adaptsegnet),
    dict(name='adaptseg_supervised', data='Cityscapes (labelled)',
         config='configs/adaptseg/oracle.py', **adaptsegnet),
    dict(name='source_only', data='GTA5', config='configs/style_transfer/source_only.py',
         **stage_one),
    dict(name='gc_640x360_b1', data='GTA5 + Cityscapes (unlabelled)',
         config='configs/style_transfer/gc_b1.py', logged={110000: 28.59}, **stage_one),
    dict(name='cityscapes_seg', data='Cityscapes (labelled)',
         config='configs/supervised/cityscapes_seg.py', logged={20000: 68.03}, **stage_one),
]

claims = [
    dict(title='Adaptation helps', checks=[
        'adaptseg_single > adaptseg_source_only', 'gc_640x360_b1 > source_only']),
    dict(title='Labels of the target help more', checks=[
        'adaptseg_supervised > adaptseg_single', 'cityscapes_seg > gc_640x360_b1']),
]
