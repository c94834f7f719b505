"""Look-ups: near names, wrong kinds, wildcards, built parts."""

import pytest
from torch import nn

from daseg import list_parts
from daseg.registry import BACKBONES, HEADS, HOOKS, LOSSES, MODELS, Registry, near
from daseg.utils.errors import ConfigError


def test_a_misspelt_name_gets_near_ones_whatever_the_case():
    with pytest.raises(ConfigError, match=r"no head is called 'deeplabv3head'; did you mean 'Dee"):
        HEADS.build(dict(type="deeplabv3head"))


def test_a_name_of_another_kind_says_which():
    with pytest.raises(ConfigError, match="no backbone is called 'DiceLoss'; 'DiceLoss' is a loss"):
        BACKBONES.get("DiceLoss")


def test_a_name_like_no_other_gets_the_list():
    with pytest.raises(ConfigError, match=r"no loss is called 'Xyzzy'; known are .*DiceLoss"):
        LOSSES.get("Xyzzy")


def test_the_message_is_text_not_the_repr_of_a_key_error():
    with pytest.raises(KeyError) as caught:
        LOSSES.get("Xyzzy")
    assert str(caught.value).startswith("no loss is called")


def test_a_config_without_type_and_a_bare_name_are_refused():
    with pytest.raises(
        ConfigError, match=r"a head config needs the key 'type', got {'in_index': 1"
    ):
        HEADS.build(dict(in_index=1))
    with pytest.raises(ConfigError, match=r"a loss is given as dict\(type='DiceLoss'\), not as"):
        LOSSES.build("DiceLoss")


def test_a_built_part_passes_through():
    built = nn.Identity()
    assert HEADS.build(built, in_channels=(1,), num_classes=2) is built


def test_defaults_fill_what_the_config_leaves_open():
    registry = Registry("thing")
    registry.register_module(name="dict", module=dict)
    assert registry.build(dict(type="dict", a=1), a=5, b=2) == {"a": 1, "b": 2}


def test_mmengines_own_parts_are_found_through_ours():
    assert HOOKS.get("EmptyCacheHook").__module__.startswith("mmengine")
    assert HOOKS.get("CheckpointHook").__module__ == "daseg.hooks.checkpoint"
    assert MODELS.get("Segmentor").__module__ == "daseg.segmentor"


def test_list_parts_takes_wildcards():
    heads = list_parts("head")
    assert heads == sorted(heads)
    v3 = list_parts("head", "DeepLabV3*")
    assert v3 == ["DeepLabV3Head", "DeepLabV3PlusHead"]
    assert set(v3) < set(heads)
    assert list_parts("loss", "Nothing*") == []


def test_an_unknown_kind_names_the_kinds():
    with pytest.raises(ConfigError, match=r"called 'heads'; did you mean 'head'.*\(kinds: backb"):
        list_parts("heads")


def test_near_is_by_spelling():
    assert near("modle", ["model", "optimizer"]) == ["model"]
    assert near("zzz", ["model"]) == []
