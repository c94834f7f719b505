r"""Your own pair, adapted from the source-only network by learning from a teacher.

    daseg configs copy own_pair/adapted         # then edit configs/own_pair/_base_/data.py
    daseg train configs/own_pair/source_only.py
    daseg train configs/own_pair/adapted.py
    daseg test configs/own_pair/adapted.py work_dirs/adapted/iter_1000.pth
    daseg score configs/own_pair/adapted.py work_dirs/adapted/iter_1000.pth \
        work_dirs/source_only/iter_1000.pth

Mixed images (Tranheden et al., "DACS", WACV 2021) and masked ones (Hoyer et al., "MIC", CVPR 2023),
with a teacher that has the target's own statistics: the recipe of `camvid/game_to_day`, with its
values; see docs/recipes.md.
"""

_base_ = ['./source_only.py']

taught = dict(weighting='pixel', confidence=0.5)
model = dict(
    objectives=[
        dict(type='Supervised'),
        dict(type='ClassMix', **taught),
        dict(type='MaskedConsistency', block=_base_.crop[0] // 8, **taught)],
    teacher_momentum=0.05, teacher_statistics='batch', teacher_buffers='own')
load_from = 'work_dirs/source_only/iter_1000.pth'
