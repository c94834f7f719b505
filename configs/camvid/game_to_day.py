"""From the drawn game to CamVid by day, adapted: the photographs' labels are not used.

    daseg make-demo --root data/game --size 480 360 --num-target 1 --num-val 1 --num-test 1
    daseg train camvid/game_source_only
    daseg train camvid/game_to_day --cfg-options load_from=work_dirs/game_source_only/iter_90.pth
    daseg test camvid/game_to_day work_dirs/game_to_day/iter_45.pth

From synthetic to real, in small. Each picture of the game gets a photograph's lowest frequencies:
its light and its colours (Yang and Soatto, "FDA", CVPR 2020). A teacher labels photographs, half of
a picture's classes are pasted onto them, and the network learns the mixture beside the game
(Tranheden et al., "DACS", WACV 2021). The teacher normalises by the photographs' own statistics, in
training and in testing, as AdaBN does. `game_source_only.py` and `game_supervised.py` are the two
ends of the gap, and `studies/game_to_day` compares the three.
"""

_base_ = ['./game_source_only.py']

model = dict(
    objectives=[
        {{_base_.fit_labels}},
        dict(type='ClassMix', loss='supervised', weighting='pixel', confidence=0.8)],
    translator=dict(type='FourierTranslator', beta=0.01),
    teacher_momentum=0.05, teacher_statistics='batch', teacher_buffers='own')
train_cfg = dict(max_iters=45, val_interval=45)
default_hooks = dict(checkpoint=dict(interval=45))
