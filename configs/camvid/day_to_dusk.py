r"""From day to dusk on CamVid's photographs at full size: DACS on a small network.

    export DASEG_CAMVID=FOLDER
    daseg train camvid/day_to_dusk_source_only
    daseg train camvid/day_to_dusk
    daseg test camvid/day_to_dusk work_dirs/day_to_dusk/iter_225.pth

Tranheden et al., "DACS", WACV 2021, on the source-only network: half of a daylight image's classes
are pasted onto an image at dusk, whose other pixels a teacher labels. The teacher normalises by the
statistics of its batch, the dusk's, and the mixture has the class weights of the labels. Validated
by day, whose labels are known; what is measured at dusk is measured once. The rates, the lengths
and the weights are not tuned on this pair. `studies/day_to_dusk` compares it with
training on by day alone, at dusk, and on both.
"""

_base_ = ['./day_to_dusk_source_only.py']

load_from = 'work_dirs/day_to_dusk_source_only/iter_450.pth'
model = dict(
    objectives=[{{_base_.fit_labels}}, dict(type='ClassMix', loss='supervised')],
    teacher_momentum=0.02, teacher_statistics='batch')
train_cfg = dict(max_iters=225, val_interval=225)
optim_wrapper = dict(segmentor=dict(optimizer=dict(lr=0.003)))
default_hooks = dict(checkpoint=dict(interval=225))
