from daseg.utils.walk import walk


def test_every_value_has_its_place_and_parents_come_first():
    hook = dict(interval=3)
    tree = dict(hooks=[hook, (1, None)], name="x")
    assert list(walk(tree)) == [
        ("", tree),
        ("hooks", [hook, (1, None)]),
        ("hooks.0", hook),
        ("hooks.0.interval", 3),
        ("hooks.1", (1, None)),
        ("hooks.1.0", 1),
        ("hooks.1.1", None),
        ("name", "x"),
    ]
    assert [place for place, _ in walk(hook, "a.b")] == ["a.b", "a.b.interval"]


def test_a_value_may_be_changed_on_the_way():
    tree = dict(a=dict(type=int), b=[dict(type=str)])
    for _, node in walk(tree):
        if isinstance(node, dict) and "type" in node:
            node["type"] = node["type"].__name__
            node["seen"] = True
    assert tree == dict(a=dict(type="int", seen=True), b=[dict(type="str", seen=True)])
