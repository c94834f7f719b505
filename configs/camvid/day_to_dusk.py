"""From day to dusk on CamVid's photographs at full size: DACS on a small network.

    export DASEG_CAMVID=FOLDER
    daseg train camvid/day_to_dusk_source_only
    daseg train camvid/day_to_dusk \
        --cfg-options load_from=work_dirs/day_to_dusk_source_only/iter_300.pth
    daseg test camvid/day_to_dusk work_dirs/day_to_dusk/iter_150.pth

Tranheden et al., "DACS", WACV 2021, on EfficientNet-Lite0 with a pyramid head: the pair that
`--world camvid` runs at half the size. It goes on from the source-only network, whose first
pseudo-labels are good; the teacher normalises by the statistics of its batch, so that those of the
day do not count at dusk, and pseudo-labels weigh by class as labels do. Validated by day, whose
labels are known; what is measured at dusk is measured once.
"""

_base_ = ['./day_to_dusk_source_only.py']

model = dict(
    objectives=[dict(type='Supervised', loss={{_base_.loss}}), dict(type='ClassMix', loss='supervised')],
    teacher_momentum=0.02,
    teacher_statistics='batch')

train_cfg = dict(max_iters=150, val_interval=150)
optim_wrapper = dict(segmentor=dict(optimizer=dict(lr=0.003)))
default_hooks = dict(checkpoint=dict(interval=150, max_keep_ckpts=1))
