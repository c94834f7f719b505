"""Hooks, logging and seeds of every run."""

default_scope = 'daseg'
randomness = dict(seed=0)
env_cfg = dict(cudnn_benchmark=True)
log_level = 'INFO'
log_processor = dict(
    by_epoch=False, window_size=50, mean_pattern='.*(loss|time|grad_norm|disc_acc|mix_sure).*')

default_hooks = dict(
    runtime_info=dict(type='TrainLogHook'),
    logger=dict(type='LoggerHook', interval=50, log_metric_by_epoch=False),
    checkpoint=dict(type='CheckpointHook', by_epoch=False, interval=5000, max_keep_ckpts=3))
custom_hooks = [
    dict(type='RecordDataHook'), dict(type='ProgressHook'), dict(type='ReportHook'),
    dict(type='ObservatoryHook', interval=50, picture_interval=500, patience=500),
    dict(type='LabelFreeScoresHook', images=16)]

visualizer = dict(
    type='Visualizer',
    vis_backends=[dict(type='LocalVisBackend'), dict(type='TensorboardVisBackend')])
