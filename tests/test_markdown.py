"""Markdown taken apart: blocks with their places, headings and anchors of sections, sentences."""

import pytest

from ingest.course import Lesson
from ingest.markdown import Block, parse_blocks, plain
from ingest.sections import Section, slug, split_sections
from ingest.sentences import sentence_spans


def blocks(source: str) -> list[tuple[str, str]]:
    return [(block.form, source[block.start : block.end]) for block in parse_blocks(source, 0)]


def only(source: str) -> Block:
    (block,) = parse_blocks(source, 0)
    return block


def sections(source: str) -> list[Section]:
    return split_sections(Lesson("rye", 1, "All about rye", "lesson", "", "rye.md", source, 0))


def anchors(source: str) -> list[str]:
    return [section.anchor for section in sections(source)]


def sentences(text: str) -> list[str]:
    return [text[start:end] for start, end in sentence_spans(text, 0, len(text))]


# Blocks


@pytest.mark.parametrize(
    ("source", "form"),
    [
        ("Words on\ntwo lines.", "paragraph"),
        ("## Heading", "heading"),
        ("- An item\n  on two lines.", "item"),
        ("12. An item.", "item"),
        ("```py\nx = 1\n\n# y\n```", "code"),
        ("~~~\nnever closed\n\n# y", "code"),
        ("    indented\n\n    code", "code"),
        ("```mermaid\na --> b\n```", "diagram"),
        ("| a | b |\n|---|---|", "header_row"),
        ("a | b\n--|:-:", "header_row"),
        ("<details><summary>Q?</summary>\nA.\n</details>", "question"),
        ("<div>\nwords\n</div>", "html"),
        ("<!-- a comment\n\nof two paragraphs -->", "html"),
        ('[a]: http://x.org "title"\n[b]: <y z>', "other"),
        ("[^1]: A footnote.\n    Its second line.", "paragraph"),
        ("> A quotation\n> on two lines.", "paragraph"),
        ("> ```\n> code\n> ```", "code"),
    ],
)
def test_a_block_has_its_form_and_covers_its_lines(source: str, form: str) -> None:
    assert blocks(f"\n\n{source}\n\n") == [(form, source)]


@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"])
def test_places_count_characters_of_the_untouched_source(newline: str) -> None:
    source = "---\nx: 😀\n---\n# É 😀\n\nCafe\u0301 👩‍👩‍👧.\nTwo.\n\n| a |\n|--|\n| 😀 |\n| b |\n\n- x\n  y".replace(
        "\n", newline
    )
    found = [source[block.start : block.end] for block in parse_blocks(source, source.index("# É"))]
    expected = ["# É 😀", "Cafe\u0301 👩‍👩‍👧.\nTwo.", "| a |\n|--|", "| 😀 |", "| b |", "- x\n  y"]
    assert found == [text.replace("\n", newline) for text in expected]


def test_nested_items_are_blocks_of_their_own() -> None:
    source = "- one\n  - two\n    1. three\n\n       more of three\n- four"
    assert blocks(source) == [
        ("item", "- one"),
        ("item", "  - two"),
        ("item", "    1. three"),
        ("item", "       more of three"),
        ("item", "- four"),
    ]


@pytest.mark.parametrize("source", ["- Words", "  * Words", "10) Words", "> - > Words", "- - Words"])
def test_the_content_of_an_item_starts_after_its_marker(source: str) -> None:
    assert source[only(source).content_start :] == "Words"


def test_the_text_of_a_quotation_has_no_marks_of_quotation() -> None:
    assert only("> One line,\n> a second\nand a lazy third.").text == "One line,\na second\nand a lazy third."


def test_a_table_row_knows_its_cells_and_the_column_titles_of_its_own_table() -> None:
    source = "| *A* | `b\\|c` |\n|---|---|\n| [x](http://u) | 1 \\| 2 |\n| short |\n\nD | E\n--|--\ny | **z**\n"
    rows = [(block.form, block.header, block.cells) for block in parse_blocks(source, 0)]
    assert rows == [
        ("header_row", ("A", "`b|c`"), ("A", "`b|c`")),
        ("row", ("A", "`b|c`"), ("x", "1 | 2")),
        ("row", ("A", "`b|c`"), ("short", "")),
        ("header_row", ("D", "E"), ("D", "E")),
        ("row", ("D", "E"), ("y", "z")),
    ]


def test_each_folded_question_is_a_block_of_its_own() -> None:
    source = "<details><summary>Q1?</summary>\nA1.\n</details>\n<details open>\n<summary>Q2?</summary>\nA2.\n</details>\n"
    assert [(block.form, block.text) for block in parse_blocks(source, 0)] == [("question", "Q1? A1."), ("question", "Q2? A2.")]


def test_a_comparison_in_a_folded_answer_is_not_taken_for_a_tag() -> None:
    block = only("<details><summary>Q?</summary>\nOnly if latency < 200 ms and errors > 1 %.\n</details>")
    assert block.text == "Q? Only if latency < 200 ms and errors > 1 %."


@pytest.mark.parametrize(
    "comment", ["<!-- hidden -->", "<!-- hidden\n\nstill -->", "<!-- a -> b -->", "<!-- cut <b>this</b> -->"]
)
def test_a_comment_has_no_text(comment: str) -> None:
    assert only(comment).text == ""


@pytest.mark.parametrize("rule", ["---", "* * *", "***", "___", "_ _ _", "- - -"])
def test_a_thematic_break_is_no_block(rule: str) -> None:
    assert blocks(f"One.\n\n{rule}\n\nTwo.\n") == [("paragraph", "One."), ("paragraph", "Two.")]


@pytest.mark.parametrize("levels", [3, 9, 12, 30])
def test_what_follows_a_deeply_nested_list_is_parsed_as_ever(levels: int) -> None:
    nested = "\n".join(f"{'  ' * level}- level {level}" for level in range(levels))
    found = blocks(f"{nested}\n\n## Heading\n\nWords.\n")
    assert found[-2:] == [("heading", "## Heading"), ("paragraph", "Words.")]


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("**Bold**, *em*, ~~gone~~ and `co*de`", "Bold, em, gone and `co*de`"),
        ("[text](http://x.org 'title') and ![alt](a.png)", "text and alt"),
        ("one<br>two <span>three</span> <!-- no -->", "one two three"),
        ("two\nlines,  \nthree\\\nlines", "two lines, three lines"),
        (r"1 \* 2 &amp; 3 &lt; 4", "1 * 2 & 3 < 4"),
        ("snake_case_name and 2 * 3 * 4", "snake_case_name and 2 * 3 * 4"),
    ],
)
def test_plain_is_what_a_reader_sees(text: str, shown: str) -> None:
    assert plain(text) == shown


# Sections


@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"])
def test_a_section_knows_its_trail_level_and_place(newline: str) -> None:
    source = "# Rye\n\nLead.\n\n### Flour ###\n\nGrey.\n\nBaking\n------\n\nHot.\n\nEnd\n===\n".replace("\n", newline)
    found = sections(source)
    assert [(section.level, section.trail, section.anchors) for section in found] == [
        (1, ("Rye",), ("rye",)),
        (3, ("Rye", "Flour"), ("rye", "flour")),
        (2, ("Rye", "Baking"), ("rye", "baking")),
        (1, ("End",), ("end",)),
    ]
    texts = [source[section.start : section.end].replace(newline, "\n") for section in found]
    assert texts == ["# Rye\n\nLead.", "### Flour ###\n\nGrey.", "Baking\n------\n\nHot.", "End\n==="]


def test_text_before_the_first_heading_stands_under_the_title_of_the_lesson() -> None:
    lead, top = sections("Lead.\n\n# Top\n\nText.\n")
    assert (lead.title, lead.anchor, lead.level, lead.trail) == ("All about rye", "top", 0, ("All about rye",))
    assert (top.title, top.anchor) == ("Top", "top-1")


def test_a_heading_without_text_is_a_section_without_blocks() -> None:
    assert [(section.title, len(section.blocks)) for section in sections("# A\n## B\nText.\n")] == [("A", 0), ("B", 1)]


@pytest.mark.parametrize(
    "code",
    [
        "```\n# no\n```",
        "~~~~sh\n## no\n~~~\n# no\n~~~~",
        "    # no",
        "- x\n\n  ```\n  # no\n  ```",
        "<pre>\n# no\n\n# no\n</pre>",
    ],
)
def test_a_heading_inside_code_is_no_heading(code: str) -> None:
    assert anchors(f"# Yes\n\n{code}\n\n## Yes too\n") == ["yes", "yes-too"]


@pytest.mark.parametrize("line", ["\\# no", "#no", "####### no", "#hashtag words"])
def test_a_line_that_only_looks_like_a_heading_is_text(line: str) -> None:
    assert blocks(line) == [("paragraph", line)]


def test_repeated_titles_get_anchors_of_their_own() -> None:
    assert anchors("# A\n\n## Why\n\n## Why\n\n## Why 1\n\n## Why\n\n## !\n\n## ?\n") == [
        "a",
        "why",
        "why-1",
        "why-1-1",
        "why-2",
        "section",
        "section-1",
    ]


@pytest.mark.parametrize("heading", ["## Old title {#kept.id}", "## Old title {#kept.id} ##", "Old title  {#kept.id}\n---"])
def test_an_explicit_anchor_is_used_and_not_shown(heading: str) -> None:
    (section,) = sections(f"{heading}\n\nText.\n")
    assert (section.title, section.anchor, section.key) == ("Old title", "kept.id", "rye.md#kept.id")


def test_explicit_anchors_that_repeat_are_made_unique() -> None:
    assert anchors("## A {#x}\n\n## B {#x}\n") == ["x", "x-1"]


def test_an_explicit_anchor_is_kept_where_an_earlier_title_reads_the_same() -> None:
    found = {section.title: section.anchor for section in sections("## Symptoms\n\n## Causes and fixes {#symptoms}\n")}
    assert found["Causes and fixes"] == "symptoms"
    assert found["Symptoms"] != "symptoms"


@pytest.mark.parametrize(
    ("title", "anchor"),
    [
        ("The Short Answer", "the-short-answer"),
        ("What's C# (and F#)?", "whats-c-and-f"),
        ("snake_case – a-b", "snake_case--a-b"),
        ("Ünï ½", "ünï-12"),
        ("???", "section"),
    ],
)
def test_slugs_are_made_as_github_makes_them(title: str, anchor: str) -> None:
    assert slug(title) == anchor


# Sentences


@pytest.mark.parametrize(
    "text",
    [
        "Use e.g. Redis or i.e. a cache. | Then stop.",
        "Dr. Smith met Mr. Jones of Acme Inc. in Fig. 3. | They left.",
        "It took approx. 3 s at 5 p.m. on a day, etc. | The rest is clear.",
        "Cassandra vs. Redis is a choice. | Pick one.",
        "Version 1.5 costs 3.50 USD, or 2,000.00 in all. | Next.",
        "Call `a.b()`. | Then `x. Y! Z? W` works. | Last.",
        "It ends in code: `foo. Bar`. | Next.",
        'He said "stop." | “Go.” | Then ‘wait?’ | They left.',
        "**Bold one.** | *Thin.* | ***Both.*** | _Under._ | Plain.",
        '*He said "stop."* | Then he left.',
        "Is it? | Yes! | What?! | It is... | Good.",
        "Smile 😀. | Cafe\u0301 👩‍👩‍👧 here. | Third 🏳️‍🌈 one.",
        "It went on. and on, without a capital. | Next.",
        "The U.S. Army came. | Then left.",
        "ASP.NET runs it. | Open README.MD in Node.JS. | Next.",
        "![A plan.](plan.png)",
        "See ![the plan](plan.png) first. | Then [go! Now](x.md).",
        "One word",
    ],
)
def test_sentences_end_where_a_reader_ends_them(text: str) -> None:
    expected = text.split(" | ")
    assert sentences(" ".join(expected)) == expected


@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"])
def test_sentences_over_several_lines_have_their_place_in_the_source(newline: str) -> None:
    source = "é😀 before. First one\ngoes on. Second\none. \n after".replace("\n", newline)
    start, end = source.index("First"), source.index("after")
    found = [source[first:last].replace(newline, "\n") for first, last in sentence_spans(source, start, end)]
    assert found == ["First one\ngoes on.", "Second\none."]


@pytest.mark.parametrize("blank", ["", "   ", "\n\r\n\t"])
def test_blank_text_has_no_sentences(blank: str) -> None:
    assert sentences(blank) == []
