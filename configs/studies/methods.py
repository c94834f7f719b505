"""One row for each method, between source-only and supervised training of the same network.

    daseg study studies/methods --world camvid
    daseg study studies/methods --world demo
    daseg study studies/methods --given translated=data/gta5_as_cityscapes

There are two networks: AdaptSegNet's, and that of Seg-Uncertainty's first stage, whose source is
GTA5 (gc), GTA5 and its translation (agc), or the translation alone (aagc). The translator is
CycleGAN, trained once; the student learns from pseudo-labels of aagc_640x360_b2, so that only the
supervised rows see labels of the target. `logged` is the mIoU of an earlier study.
"""

title = 'One row of each method'
seeds = [1, 2, 3]

translator = 'configs/cyclegan/gta2cityscapes_semantic.py'
watched = {'model.segmentor_weights': '{source_only}'}
steps = [
    dict(name='cyclegan', config=translator, once=True,  # with the seed of its config
         cfg_options={**watched, 'randomness.seed': 0}),
    dict(name='translated', tool='translate', config=translator, once=True, cfg_options=watched,
         checkpoint='{cyclegan}', judge=('configs/style_transfer/source_only.py', '{source_only}')),
    dict(name='own_labels', tool='pseudo_label', checkpoint='{aagc_640x360_b2}',
         config='configs/style_transfer/aagc_b2.py',
         cfg_options={'train_dataloader.dataset.source.root': '{translated}'}),
]

adaptsegnet = dict(group="AdaptSegNet's network", baseline='adaptseg_source_only',
                   oracle='adaptseg_supervised')
stage_one = dict(group="Network of Seg-Uncertainty's first stage", baseline='source_only',
                 oracle='cityscapes_seg')
both, on_translation = 'source + target (unlabelled)', 'source translated + target (unlabelled)'
rows = [
    dict(name='adaptseg_source_only', data='source', config='configs/adaptseg/source_only.py',
         **adaptsegnet),
    dict(name='adaptseg_multi', data=both, config='configs/adaptseg/multi_vanilla.py',
         remark='AdaptSegNet, two levels', **adaptsegnet),
    dict(name='fda_b001', data=both, config='configs/fda/fda_b001.py',
         remark='Fourier adaptation, beta 0.01', **adaptsegnet),
    dict(name='dacs', data=both, config='configs/dacs/dacs.py', remark='ClassMix', **adaptsegnet),
    dict(name='adaptseg_supervised', data='target (labelled)', config='configs/adaptseg/oracle.py',
         **adaptsegnet),

    dict(name='source_only', data='source', config='configs/style_transfer/source_only.py',
         **stage_one),
    dict(name='gc_640x360_b1', data=both, config='configs/style_transfer/gc_b1.py',
         logged={110000: 28.59}, **stage_one),
    dict(name='agc_640x360_b1', data='source + ' + on_translation,
         config='configs/style_transfer/agc_b1.py', logged={110000: 44.23, 40000: 41.02},
         cfg_options={'train_dataloader.dataset.source.datasets.1.root': '{translated}'},
         **stage_one),
    dict(name='aagc_640x360_b2', data=on_translation, config='configs/style_transfer/aagc_b2.py',
         logged={40000: 44.42},
         cfg_options={'train_dataloader.dataset.source.root': '{translated}'}, **stage_one),
    dict(name='aagc_640x360_b2_self', data='the same + pseudo-labels of aagc_640x360_b2',
         config='configs/student/aagc_b2_student.py',
         cfg_options={'train_dataloader.dataset.source.root': '{translated}',
                      'train_dataloader.dataset.pseudo_labels': '{own_labels}',
                      'load_from': '{aagc_640x360_b2}'}, **stage_one),
    dict(name='cityscapes_seg', data='target (labelled)',
         config='configs/supervised/cityscapes_seg.py', logged={20000: 68.03}, **stage_one),
]

claims = [
    dict(title='Adaptation helps', checks=[
        'adaptseg_multi > adaptseg_source_only', 'gc_640x360_b1 > source_only']),
    dict(title='Translating the source narrows the gap', checks=[
        'agc_640x360_b1 > gc_640x360_b1', 'aagc_640x360_b2 > gc_640x360_b1',
        'aagc_640x360_b2 >= agc_640x360_b1']),
    dict(title='Fourier adaptation narrows it', checks=['fda_b001 > adaptseg_source_only']),
    dict(title="A network's own pseudo-labels help it", checks=[
        'aagc_640x360_b2_self > aagc_640x360_b2']),
    dict(title='Mixing domains helps', checks=['dacs > adaptseg_source_only']),
]
