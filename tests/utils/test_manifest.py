"""Manifests of any content: what they name elsewhere is neither read, counted nor removed."""

import hashlib
import json
import os

import pytest

from daseg.offline.recorder import complete_entries
from daseg.utils.errors import DataError, WriteError
from daseg.utils.files import atomic_write_text
from daseg.utils.manifest import Manifest, lies_below, read_manifest
from daseg.utils.pseudo_labels import read_facts

OUTSIDE = [
    "/etc/passwd",
    "../precious.txt",
    "labels/../../precious.txt",
    "labels\\..\\..\\precious.txt",
    "C:\\precious.txt",
    "c:/precious.txt",
    "\\\\server\\share\\precious.txt",
    "\\precious.txt",
    "",
    "a\0b",
    "\ud800",
    ".",
]


def sha256(data):
    return hashlib.sha256(data).hexdigest()


def write(out, images, *, kind="translation", **more):
    content = dict(format=1, kind=kind, settings=dict(a=1), images=images) | more
    (out / "manifest.json").write_text(json.dumps(content))


@pytest.fixture
def out(tmp_path):
    """A folder with one made image, beside a file that is somebody else's."""
    folder = tmp_path / "out"
    (folder / "labels").mkdir(parents=True)
    (folder / "labels/a.png").write_bytes(b"made")
    (tmp_path / "precious.txt").write_text("theirs")
    (tmp_path / "source.png").write_bytes(b"source")
    return folder


def entry(file="labels/a.png", **more):
    return dict(file=file, sha256=sha256(b"made"), source_sha256=sha256(b"source")) | more


@pytest.mark.parametrize("key", ["file", "confidence"])
@pytest.mark.parametrize("journal", [False, True])
@pytest.mark.parametrize("text", OUTSIDE)
def test_overwriting_removes_nothing_elsewhere(text, journal, key, out):
    images = {"a": entry(), "b": entry("labels/b.png") | {key: text}}
    if journal:
        lines = [dict(format=1, kind="translation", settings=dict(a=1))]
        lines += [dict(name=name, **each) for name, each in images.items()]
        (out / "manifest.jsonl").write_text("\n".join(map(json.dumps, lines)) + "\n")
    else:
        write(out, images)
    before = sorted(p for p in out.parent.rglob("*"))
    with pytest.raises(DataError, match=rf"manifest\.json.* image 'b': its {key} .* does not lie"):
        Manifest(out, dict(a=2), overwrite=True)
    assert sorted(p for p in out.parent.rglob("*")) == before
    assert (out.parent / "precious.txt").read_text() == "theirs"


@pytest.mark.parametrize("file", [3, None, ["labels/a.png"], dict(a=1), True])
def test_what_is_no_name_is_refused(file, out):
    write(out, dict(a=entry(), b=entry(file)))
    with pytest.raises(DataError, match=r"image 'b'\.file is .*, not str; to have all of it made"):
        Manifest(out, dict(a=2), overwrite=True)
    assert (out / "labels/a.png").exists()


def test_names_that_look_odd_but_lie_below_are_taken():
    for text in ("a.png", "a/b..c/d.png", "..a.png", "a:b.png", "x/C:y.png", "a\\b.png", "#1", "ü"):
        assert lies_below(text), text
    assert lies_below(os.fsdecode(b"a/\xff.png"))


def test_linked_folders_are_not_emptied(out):
    elsewhere = out.parent / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "b.png").write_bytes(b"made")
    (out / "far").symlink_to(elsewhere)
    write(out, dict(a=entry(), b=entry("far/b.png")))
    with pytest.raises(WriteError, match=r"out/far is a link"):
        Manifest(out, dict(a=2), overwrite=True)
    assert (elsewhere / "b.png").exists()
    assert (out / "labels/a.png").exists(), "all is looked at before anything goes"
    (out / "far").unlink()
    Manifest(out, dict(a=2), overwrite=True)
    assert not (out / "labels/a.png").exists()


@pytest.mark.parametrize("name", ["manifest.json", "manifest.jsonl"])
def test_a_manifest_that_is_a_link_is_refused(name, out):
    write(out, dict(a=entry()))
    (out / "manifest.json").rename(out.parent / "other.json")
    (out / name).symlink_to("../other.json")
    with pytest.raises(DataError, match=rf"out/{name} is a link"):
        Manifest(out, dict(a=2), overwrite=True)
    assert (out / "labels/a.png").exists()


def test_the_folder_itself_may_be_a_link(out):
    write(out, dict(a=entry()))
    link = out.parent / "link"
    link.symlink_to(out)
    manifest = Manifest(link, dict(a=2), overwrite=True)
    assert not (out / "labels/a.png").exists()
    manifest.start({})
    manifest.finish(dict(x=1))
    assert read_manifest(out) == (dict(a=2), {})


def test_another_kind_is_not_overwritten(out):
    write(out, dict(a=entry()))
    for overwrite in (False, True):
        with pytest.raises(DataError, match=r"out holds a translation, not pseudo-labels: choose"):
            Manifest(out, dict(a=2), overwrite=overwrite, kind="pseudo-labels")
    assert (out / "labels/a.png").exists()


@pytest.mark.parametrize("journal", [False, True])
@pytest.mark.parametrize(
    ("more", "match"),
    [
        (dict(kind={}), "kind is {}, not str"),
        (dict(kind=["translation"]), "kind is "),
        (dict(format=2), "its format 2 is not 1"),
        (dict(format=None), "its format None is not 1"),
    ],
)
def test_a_kind_or_a_format_that_is_none_is_refused(more, match, journal, out):
    write(out, {"a": entry()}, **more)
    if journal:
        (out / "manifest.json").rename(out / "manifest.jsonl")
    with pytest.raises(DataError, match=rf"manifest\.jsonl? cannot be read as .*{match}"):
        read_manifest(out)


def test_only_what_lies_in_its_place_counts_as_complete(out):
    source, image = out.parent / "source.png", out / "labels/a.png"
    files = dict(a=(image, source))

    def whole(**entries):
        write(out, entries)
        return sorted(complete_entries(Manifest(out, dict(a=1)), files, 1))

    assert whole(a=entry()) == ["a"]
    (out / "labels/b.png").write_bytes(b"made")
    assert whole(a=entry("labels/b.png")) == [], "another file of the same content"
    assert whole(a=dict(file="labels/a.png")) == []
    assert whole(a=entry(sha256="0")) == []
    # Neither behind a link, nor a pipe, which would be waited for.
    image.unlink()
    image.symlink_to("b.png")
    assert whole(a=entry()) == []
    image.unlink()
    os.mkfifo(image)
    assert whole(a=entry()) == []
    image.unlink()
    (out / "labels/b.png").unlink()
    (out / "labels").rmdir()
    (out.parent / "real").mkdir()
    (out.parent / "real/a.png").write_bytes(b"made")
    (out / "labels").symlink_to("../real")
    assert whole(a=entry()) == []


def test_other_processes_journals_are_taken_over(out):
    manifest = Manifest(out.parent / "new", dict(a=1))
    manifest.start(dict(a=entry()))
    line = json.dumps(dict(name="b", **entry("labels/b.png")))
    (manifest.out / "manifest.1.jsonl").write_text(f"{line}\n{line[:20]}")
    assert sorted(read_manifest(manifest.out)[1]) == ["a", "b"]
    again = Manifest(manifest.out, dict(a=1))
    again.start(again.entries)
    assert sorted(p.name for p in manifest.out.iterdir()) == ["manifest.jsonl"]
    assert sorted(read_manifest(manifest.out)[1]) == ["a", "b"]
    again.finish({})
    assert sorted(p.name for p in manifest.out.iterdir()) == ["manifest.json"]


@pytest.mark.parametrize("text", OUTSIDE)
def test_pseudo_labels_elsewhere_are_not_read(text, out):
    about = dict(
        kind="pseudo-labels",
        settings=dict(threshold={}),
        checkpoints=[],
        teacher_saw_target_labels=0,
        classes=["a"],
    )
    write(out, dict(a=entry()), **about)
    assert read_facts(out)[1] == dict(a=entry())
    write(out, dict(a=entry(text)), **about)
    with pytest.raises(DataError, match=r"manifest\.json cannot be read as a manifest of pseudo"):
        read_facts(out)


@pytest.mark.parametrize("kind", ["pipe", "folder", "link to nothing"])
def test_manifests_that_are_no_files_are_never_waited_for(kind, out):
    path = out / "manifest.json"
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "folder":
        path.mkdir()
    else:
        path.symlink_to("gone")
    for read in (read_manifest, read_facts, lambda folder: Manifest(folder, {})):
        with pytest.raises(DataError, match=r"manifest\.json (cannot be read as|is a link)"):
            read(out)


def test_a_journal_of_another_name_is_no_leftover(tmp_path):
    atomic_write_text(tmp_path / "manifest.json.txt", "{}")
    with pytest.raises(DataError, match=r"holds files, but no manifest\.json of a translation"):
        Manifest(tmp_path, {})
