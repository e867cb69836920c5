import re

from madf_jax.evaluation.paper import to_latex, to_markdown
from tests.evaluation.reports import make_report

EVIL = "a|b_c & 5% #1 {x} \\y ~ ^ $z$ <i>\n`"


def test_markdown_has_a_table_for_each_group():
    text = to_markdown(make_report())
    titles = re.findall(r"^\*\*(.*)\*\*$", text, re.MULTILINE)
    assert titles == ["all 4 images", "hole 1–10 %, 1 image", "hole 10–20 %, 2 images"]
    rows = [line for line in text.splitlines() if line.startswith("| madf |")]
    assert rows[0] == "| madf | **21.50** ± 0.65 | 3.500 ± 0.645 | **10.00** |"
    assert rows[1] == "| madf | **20.00** | 2.000 | **10.00** |"
    assert text.splitlines()[0].startswith("Protocol madf, 4 images of 64x64 pixels at step 7")


def test_the_best_of_a_lower_is_better_metric_is_the_lowest():
    row = next(line for line in to_markdown(make_report()).splitlines() if "| telea |" in line)
    assert row == "| telea | 20.50 ± 0.65 | **3.000** ± 0.645 | 11.00 |"


def test_a_method_alone_is_not_the_best():
    assert "**2" not in to_markdown(make_report(("madf",)))
    assert "textbf" not in to_latex(make_report(("madf",)))


def test_latex_is_a_booktabs_table_with_a_block_for_each_group():
    lines = to_latex(make_report()).splitlines()
    rules = [line.strip() for line in lines if "rule" in line]
    assert rules == [r"\toprule", *[r"\midrule"] * 3, r"\bottomrule"]
    assert r"    \multicolumn{4}{l}{hole 10--20 \%, 2 images} \\" in lines
    assert r"    madf & \textbf{21.50} $\pm$ 0.65 & 3.500 $\pm$ 0.645 & \textbf{10.00} \\" in lines
    head = next(line for line in lines if "Method" in line)
    assert head.strip() == (
        r"Method & PSNR dB $\uparrow$ & L1 \% $\downarrow$ & FID clean $\downarrow$ \\"
    )
    cells = {line.count(" & ") for line in lines if line.endswith(r"\\") and "multi" not in line}
    assert cells == {3}


def test_special_characters_of_latex_are_text():
    text = to_latex(make_report((EVIL, "b")))
    (row, *_) = [line for line in text.splitlines() if line.strip().startswith("a\\textbar")]
    assert row.strip().startswith(
        r"a\textbar{}b\_c \& 5\% \#1 \{x\} \textbackslash{}y \textasciitilde{} "
        r"\textasciicircum{} \$z\$ \textless{}i\textgreater{}\textbackslash{}n` & "
    )


def test_a_comment_of_latex_ends_with_its_line():
    text = to_latex(make_report(protocol="x\n\\input{secret}"))
    assert not [line for line in text.splitlines() if line.startswith("\\input")]


def test_special_characters_of_markdown_are_text():
    text = to_markdown(make_report((EVIL, "b")))
    (row, *_) = [line for line in text.splitlines() if line.startswith("| a\\|b\\_c")]
    unescaped = re.sub(r"\\[|]", "", row)
    assert unescaped.count("|") == 5
    assert r"\<i\>\\n\`" in row


def test_what_has_no_value_is_a_dash():
    report = make_report()
    report["statistics"]["0.01-0.1"] |= {"sets": {}}
    assert "| madf | **20.00** | 2.000 | – |" in to_markdown(report)
    assert r"    madf & \textbf{20.00} & 2.000 & -- \\" in to_latex(report).splitlines()
