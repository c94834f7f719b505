"""Does the source in the target's look help? CycleGAN's translation, and Fourier adaptation's.

    python tools/study.py configs/studies/translation.py --world demo
    python tools/study.py configs/studies/translation.py --world camvid
    python tools/study.py configs/studies/translation.py --given translated=data/gta5_as_cityscapes

The rows gc, agc and aagc are those of configs/studies/paper.py: the source itself, with its
translation, the translation alone. FDA has another network and no translator to train; its row
stands beside that network's source-only and supervised ones. `logged` is what an earlier study got.
"""

title = 'Translating the source into the look of the target'
seeds = [1, 2, 3]

translator = 'configs/cyclegan/gta2cityscapes_semantic.py'
watched = {'model.segmentor_weights': '{source_only}'}
steps = [
    dict(name='cyclegan', config=translator, once=True,  # with the seed of its config
         cfg_options={**watched, 'randomness.seed': 0}),
    dict(name='translated', tool='translate', config=translator, once=True, cfg_options=watched,
         checkpoint='{cyclegan}', judge=('configs/style_transfer/source_only.py', '{source_only}')),
]

stage_one = dict(group='Translation by CycleGAN', baseline='source_only', oracle='cityscapes_seg')
fourier = dict(
    group='Fourier adaptation', baseline='adaptseg_source_only', oracle='adaptseg_supervised')
rows = [
    dict(name='source_only', data='source', config='configs/style_transfer/source_only.py',
         **stage_one),
    dict(name='gc_640x360_b1', data='source + target (unlabelled)',
         config='configs/style_transfer/gc_b1.py', logged={110000: 28.59}, **stage_one),
    dict(name='agc_640x360_b1', data='source + source translated + target (unlabelled)',
         config='configs/style_transfer/agc_b1.py', logged={110000: 44.23, 40000: 41.02},
         cfg_options={'train_dataloader.dataset.source.datasets.1.root': '{translated}'},
         **stage_one),
    dict(name='aagc_640x360_b2', data='source translated + target (unlabelled)',
         config='configs/style_transfer/aagc_b2.py', logged={40000: 44.42},
         cfg_options={'train_dataloader.dataset.source.root': '{translated}'}, **stage_one),
    dict(name='cityscapes_seg', data='target (labelled)',
         config='configs/supervised/cityscapes_seg.py', logged={20000: 68.03}, **stage_one),

    dict(name='adaptseg_source_only', data='source', config='configs/adaptseg/source_only.py',
         **fourier),
    dict(name='fda_b001', data='source + target (unlabelled)', config='configs/fda/fda_b001.py',
         remark='beta 0.01', **fourier),
    dict(name='fda_b009', data='source + target (unlabelled)', config='configs/fda/fda_b009.py',
         remark='beta 0.09', **fourier),
    dict(name='adaptseg_supervised', data='target (labelled)', config='configs/adaptseg/oracle.py',
         **fourier),
]

claims = [
    dict(title='Translating the source narrows the gap', checks=[
        'gc_640x360_b1 > source_only', 'agc_640x360_b1 > gc_640x360_b1',
        'aagc_640x360_b2 >= agc_640x360_b1']),
    dict(title='So does Fourier adaptation', checks=[
        'fda_b001 > adaptseg_source_only', 'fda_b009 > adaptseg_source_only']),
]
