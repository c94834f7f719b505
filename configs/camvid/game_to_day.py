r"""From the drawn game to CamVid by day, adapted: the photographs' labels are not used.

    daseg make-demo --root data/game --game varied --size 480 360 \
        --num-target 1 --num-val 1 --num-test 1
    daseg train camvid/game_source_only
    daseg train camvid/game_to_day --cfg-options load_from=work_dirs/game_source_only/iter_200.pth
    daseg test camvid/game_to_day work_dirs/game_to_day/iter_300.pth

From synthetic to real, in small. The game is drawn in any light and of any material, so that
photographs are less foreign to a network trained on it. A teacher labels photographs, half of a picture's
classes are pasted onto them, and the network learns the mixture beside the game (Tranheden et al.,
"DACS", WACV 2021), and photographs of which 70 % is hidden (Hoyer et al., "MIC", CVPR 2023). The
teacher normalises by the photographs' own statistics, in training and in testing, as AdaBN does.

It labels every pixel of which it is at least half sure, and its labels have no class weights: with
those of the game the adaptation was three points lower on `day_val`.
`game_source_only.py` and `game_supervised.py` are the two ends of the gap, and
`studies/game_to_day` compares the three.
"""

_base_ = ['./game_source_only.py']

taught = dict(loss=dict(type='CrossEntropyLoss'), weighting='pixel', confidence=0.5)
model = dict(
    objectives=[
        {{_base_.fit_labels}},
        dict(type='ClassMix', **taught),
        dict(type='MaskedConsistency', block=16, **taught)],
    teacher_momentum=0.05, teacher_statistics='batch', teacher_buffers='own')
train_cfg = dict(max_iters=300, val_interval=300)
default_hooks = dict(checkpoint=dict(interval=300))
