"""The embedded world at dusk, adapted: from the game by day to the dark city, without its labels.

    export DASEG_DEMO=data/demo_dusk
    daseg make-demo --root data/demo_dusk --light dusk
    daseg train demo/source_only
    daseg train demo/adapted_dusk --cfg-options load_from=work_dirs/source_only/iter_400.pth
    daseg test demo/adapted_dusk work_dirs/adapted_dusk/iter_400.pth

As `adapted.py`, but the teacher normalises by the dusk's own statistics, in training and in
testing, as AdaBN does (Li et al., "Revisiting Batch Normalization for Practical Domain Adaptation",
2016): those of the game by day mislead it in images that are this dark.
"""

_base_ = ['./adapted.py']

model = dict(teacher_statistics='batch', teacher_buffers='own')
