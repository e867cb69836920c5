"""Lists of pairs, read alone and as what a manifest is made of."""

import re

import pytest

from madf_jax.__main__ import main
from madf_jax.errors import UserError
from madf_jax.evaluation.manifest_making import make_manifest
from madf_jax.evaluation.pair_list import read_pair_list
from tests.evaluation.manifests import options_of, save_images, save_mask


@pytest.fixture
def root(tmp_path):
    save_images(tmp_path / "images", ("a.png", "sub/b b.png", "unlisted.png"))
    for columns in range(4, 7):
        save_mask(tmp_path / "masks" / f"{columns}.png", columns)
    return tmp_path


def write(root, text):
    (root / "pairs.txt").write_bytes(text.encode())
    return root / "pairs.txt"


def test_a_manifest_has_the_pairs_of_the_list_in_its_order(root):
    text = (
        f"\ufeffsub/b b.png\t6.png\r\n\r\n{root}/images/a.png\t./4.png\r\na.png\t{root}/masks/5.png"
    )
    options = options_of(root, root / "masks", pairs=write(root, text))
    entries = make_manifest(options).entries
    assert [(e.id, e.image, e.mask) for e in entries] == [
        ("sub/b b", "sub/b b.png", "6.png"),
        ("a-1", "a.png", "4.png"),
        ("a-2", "a.png", "5.png"),
    ]
    assert [e.share for e in entries] == [6 / 16, 4 / 16, 5 / 16]
    fewer = options_of(root, root / "masks", pairs=options.pairs, count=1)
    assert [e.mask for e in make_manifest(fewer).entries] == ["6.png"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a.png 4.png", "pairs.txt, line 1: is 'a.png 4.png'; use the two names IMAGE<TAB>MASK"),
        ("a.png\t4.png\na.png\t\n", "pairs.txt, line 2: is "),
        ("a.png\t4.png\t5.png", "pairs.txt, line 1: is "),
        ("a.png\t../images/a.png", "line 1: ../images/a.png is not inside "),
        ("/etc/passwd\t4.png", "line 1: /etc/passwd is not inside "),
        ("a\0.png\t4.png", "line 1: a"),
        (".\t4.png", "line 1: . is not inside "),
        ("\n \n", "pairs.txt: has no pairs"),
    ],
)
def test_lines_that_are_no_pairs_are_named(root, text, message):
    with pytest.raises(UserError, match=re.escape(message)):
        read_pair_list(write(root, text), root / "images", root / "masks")


def test_lists_that_can_not_be_read_are_refused(root):
    (root / "binary").write_bytes(b"\xff\t\xfe")
    for path, message in {
        root / "binary": "is not a text in UTF-8",
        root / "nowhere": "there is no such file",
        root: "is a directory",
    }.items():
        with pytest.raises(UserError, match=message):
            read_pair_list(path, root / "images", root / "masks")


def test_pairs_that_can_not_be_used_are_named(root):
    masks = root / "masks"
    pairs = write(root, "a.png\t4.png\nmissing.png\t5.png\n")
    with pytest.raises(UserError, match=r"1 of 2 files can't be used: .*missing.png: there is no"):
        make_manifest(options_of(root, masks, pairs=pairs))
    pairs = write(root, "a.png\tmissing.png\n")
    with pytest.raises(UserError, match=r"1 of 1 file can't be used: .*missing.png"):
        make_manifest(options_of(root, masks, pairs=pairs))
    with pytest.raises(UserError, match=r"--count=2: .* has 1 pair"):
        make_manifest(options_of(root, masks, pairs=pairs, count=2))
    with pytest.raises(UserError, match="needs --masks=DIR"):
        make_manifest(options_of(root, pairs=pairs))


def test_the_command_takes_a_list(root, capsys):
    pairs = write(root, "a.png\t4.png\n")
    files = ["--images", str(root / "images"), "--masks", str(root / "masks")]
    output = ["--output", str(root / "m.jsonl")]
    assert main(["manifest", *files, *output, "--list", str(pairs)]) == 0
    assert "1 examples of 16x16" in capsys.readouterr().out
    again = [*files, *output, "--force", "--list", str(pairs), "--pairing=name"]
    assert main(["manifest", *again]) == 1
    assert "--pairing=name: --list has the pairs already" in capsys.readouterr().err
