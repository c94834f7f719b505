"""The alarms: when they ring, how often, and what survives a stop."""

import pytest

from daseg.hooks.watch import Watch

CLASSES = ["road", "rider", "sky"]


def feed(watch, source, target, iterations, first=1, suffix="", patience=3):
    values = {f"disc_acc_source{suffix}": source, f"disc_acc_target{suffix}": target}
    return [
        alarm
        for iteration in range(first, first + iterations)
        for alarm in watch.add(values, iteration, patience)
    ]


def test_a_discriminator_that_wins_rings_once_a_spell():
    watch = Watch()
    assert feed(watch, 0.995, 1.0, 2) == []
    (alarm,) = feed(watch, 0.995, 1.0, 10, first=3)
    assert alarm.startswith("iteration 3: the discriminator has won: for 3 iterations")
    assert "99%" in alarm
    assert feed(watch, 0.995, 0.99, 1, first=13) == []  # not above on both: the spell is over
    (alarm,) = feed(watch, 1.0, 1.0, 4, first=14)
    assert alarm.startswith("iteration 16: ")


@pytest.mark.parametrize(
    ("source", "target"), [(0.5, 0.5), (0.54, 0.5), (0.9, 0.1), (0.2, 0.1), (0.0, 1.0)]
)
def test_a_discriminator_that_is_a_coin_or_worse_has_lost(source, target):
    (alarm,) = feed(Watch(), source, target, 5)
    assert alarm.startswith("iteration 3: the discriminator has lost: for 3 iterations")


@pytest.mark.parametrize(("source", "target"), [(0.55, 0.5), (0.98, 1.0), (1.0, 0.5), (0.7, 0.7)])
def test_a_fair_game_is_silent(source, target):
    assert feed(Watch(), source, target, 20) == []


def test_each_discriminator_is_judged_by_itself():
    watch, alarms = Watch(), []
    values = dict(disc_acc_source=0.7, disc_acc_target=0.7)
    values |= dict(disc_acc_source_aux=1.0, disc_acc_target_aux=1.0)
    for iteration in (1, 2, 3):
        alarms += watch.add(values, iteration, 3)
    (alarm,) = alarms
    assert "the discriminator 'aux' has won" in alarm
    assert watch.runs == {"": [0, 0], "_aux": [3, 0]}


def test_means_and_shares_of_a_window():
    watch = Watch()
    watch.add(dict(source_entropy=0.2, target_entropy=0.4), 1, 3)
    watch.add(dict(source_entropy=0.6), 2, 3)  # the target has not run
    watch.add_pixels([10, 0, 0], [1, 2, 0])
    watch.add_pixels([10, 0, 0], [0, 1, 4])
    values, alarms = watch.report(CLASSES, 2, 3)
    expected = dict(source_entropy=0.4, target_entropy=0.4)
    expected |= {"predicted_share/road": 1 / 8, "predicted_share/rider": 3 / 8}
    assert values == pytest.approx(expected | {"predicted_share/sky": 0.5})
    assert alarms == []
    assert watch.report(CLASSES, 4, 3) == ({}, [])  # a new window is empty


def window(watch, labelled, predicted, iteration=1000):
    watch.add_pixels(labelled, predicted)
    return watch.report(CLASSES, iteration, 500)[1]


def test_a_class_that_vanishes_rings_until_it_is_back():
    watch = Watch()
    some, none = [90_000, 5_000, 5_000], [95_000, 0, 5_000]
    (alarm,) = window(watch, some, none)
    assert alarm == (
        "iteration 1000: gone from the target's predictions, though the source's labels have it: "
        "rider (5.0%)"
    )
    assert window(watch, some, none) == []
    (alarm,) = window(watch, some, [100_000, 0, 0])
    assert alarm.endswith("labels have it: sky (5.0%)")
    assert window(watch, some, some) == []
    assert len(window(watch, some, none)) == 1


def test_what_counts_as_vanished():
    def rings(labelled, predicted):
        rest = 1_000_000
        return bool(window(Watch(), [rest - labelled, labelled, 0], [rest, predicted, 0]))

    assert rings(labelled=1_001, predicted=9)
    assert not rings(labelled=1_000, predicted=9)  # 0.1 % of the labels
    assert not rings(labelled=1_001, predicted=11)  # more than 0.001 % of the predictions


def test_no_class_is_missed_in_the_first_iterations():
    watch = Watch()
    assert window(watch, [50, 50, 0], [100, 0, 0], iteration=499) == []
    assert len(window(watch, [50, 50, 0], [100, 0, 0], iteration=500)) == 1


def test_text_holds_everything_in_the_middle_of_a_window():
    watch = Watch()
    feed(watch, 1.0, 1.0, 2, suffix="_aux")
    watch.add(dict(target_entropy=0.1 + 0.2), 3, 3)
    window(watch, [50, 50, 0], [100, 0, 0])
    watch.add_pixels([1, 2, 3], [4, 5, 6])
    again = Watch.from_text(watch.to_text())
    assert again == watch
    (alarm,) = feed(again, 1.0, 1.0, 1, first=4, suffix="_aux")
    assert alarm.startswith("iteration 4: the discriminator 'aux' has won")
