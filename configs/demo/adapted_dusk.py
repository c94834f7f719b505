"""The embedded world at dusk, adapted: from the game by day to the dark city, without its labels.

    export DASEG_DEMO=data/demo_dusk
    daseg make-demo --root data/demo_dusk --light dusk
    daseg train demo/source_only
    daseg train demo/adapted_dusk --cfg-options load_from=work_dirs/source_only/iter_400.pth
    daseg test demo/adapted_dusk work_dirs/adapted_dusk/iter_400.pth

As `adapted.py`, but the game is darkened first: each picture gets the mean and the deviation of a
dusk image's colours (Reinhard et al., "Color Transfer between Images", 2001), so that its labels teach
the network what things look like at dusk. The teacher normalises by the dusk's own statistics, in
training and in testing, as AdaBN does (Li et al., "Revisiting Batch Normalization for Practical
Domain Adaptation", 2016): those of the game by day mislead it in images that are this dark. The
mixture's colours are left as they are, since they are the dusk's. Beside mixtures the network learns
from dusk images of which 70 % is hidden (Hoyer et al., "MIC", CVPR 2023), and from every pixel that
the teacher is at least half sure of.
"""

_base_ = ['./adapted.py']

taught = dict(loss='supervised', weighting='pixel', confidence=0.5)
model = dict(
    objectives=[
        {{_base_.fit_labels}},
        dict(type='ClassMix', jitter_prob=0.0, blur_prob=0.0, **taught),
        dict(type='MaskedConsistency', block=16, **taught)],
    translator=dict(type='ReinhardTranslator'),
    teacher_statistics='batch', teacher_buffers='own')
