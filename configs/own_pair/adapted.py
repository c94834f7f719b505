r"""Your own pair, adapted from the source-only network by class mixing with a teacher.

    daseg configs copy own_pair/adapted         # then edit configs/own_pair/_base_/data.py
    daseg train configs/own_pair/source_only.py
    daseg train configs/own_pair/adapted.py
    daseg test configs/own_pair/adapted.py work_dirs/adapted/iter_1000.pth
    daseg score configs/own_pair/adapted.py work_dirs/adapted/iter_1000.pth \
        work_dirs/source_only/iter_1000.pth

The recipe of `demo/adapted` without its class weights (Tranheden et al., "DACS", WACV 2021): see
docs/recipes.md.
"""

_base_ = ['./source_only.py']

model = dict(
    objectives=[dict(type='Supervised'), dict(type='ClassMix', confidence=0.9)],
    teacher_momentum=0.02)
load_from = 'work_dirs/source_only/iter_1000.pth'
