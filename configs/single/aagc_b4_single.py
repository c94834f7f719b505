"""Seg-Uncertainty's network with one head on translated GTA5: segmentation and adversarial loss.

    daseg train single/aagc_b4_single

The study's "Seg-Uncertainty -> single segmentation": 42.9 mIoU after 45000 iterations (41.71 after
40000). The network is that of Zheng and Yang (IJCAI 2020) without its auxiliary head, so there is
no memory regularisation either. The translated images (Hoffman et al., CyCADA, ICML 2018) are in
data/gta5_as_cityscapes/images, under GTA5's names; there are fewer of them, and labels come from
data/gta5. Assumed are the class weights, the hardest pixels and the adversarial weight of the main
head.
"""

_base_ = ['../_base_/models/seg_uncertainty_r101.py',
          '../_base_/datasets/gta5_to_cityscapes_pair_640x360.py',
          '../_base_/schedules/seg_uncertainty_adversarial.py', '../_base_/runtime.py']

model = dict(
    segmentor=dict(aux_head=None, inference=dict(aux_weight=0.0)),
    objectives=[
        dict(type='Supervised', loss=dict(
            type='BalancedCrossEntropyLoss', num_classes=19, rare_pixels=64 * 64)),
        dict(type='OutputAdversarial', weight=0.002, disc_weight=1.0, gradient_penalty=0.01,
             discriminator=dict(type='MultiScaleDiscriminator'), loss=dict(type='LSGANLoss'))])
translated = dict(root='data/gta5_as_cityscapes', label_root='data/gta5')
train_dataloader = dict(batch_size=4, dataset=dict(source=translated))
optim_wrapper = dict(segmentor=dict(lr_mult=dict(_delete_=True, head=10)))
train_cfg = dict(max_iters=45000)
decay = dict(type='PolyDecay', end=100000)
param_scheduler = dict(
    segmentor=[dict(type='LinearRamp', end=5000), decay], discriminators=[decay])
