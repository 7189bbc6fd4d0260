"""Chunks and units: nothing of a lesson is lost or doubled, every place is true, and what is embedded fits the model."""

import random
import re
import unicodedata
from collections.abc import Callable, Iterator
from itertools import count, pairwise
from pathlib import Path

import pytest

from ingest.chunks import CHUNK_TOKENS, Chunk, cut_chunks
from ingest.course import Lesson, read_course
from ingest.cut import CutCourse, cut_course
from ingest.embedder import OnnxEmbedder
from ingest.errors import CourseError
from ingest.progress import silent
from ingest.sections import split_sections
from tests.conftest import SMALL_COURSE
from tests.fakes import WordEmbedder
from tutor.settings import SHIPPED_CORPUS

CountTokens = Callable[[str], int]

count_words: CountTokens = WordEmbedder().count_tokens


def count_letters(text: str) -> int:
    """A token for each character, as models read Chinese or punctuation."""
    return len("".join(text.split()))


def cut(source: str, limit: int = CHUNK_TOKENS, counter: CountTokens = count_words) -> list[Chunk]:
    return cut_lesson(Lesson("rye", 1, "All about rye", "lesson", "", "rye.md", source, 0), limit, counter)


def cut_lesson(lesson: Lesson, limit: int = CHUNK_TOKENS, counter: CountTokens = count_words) -> list[Chunk]:
    return [chunk for section in split_sections(lesson) for chunk in cut_chunks(section, lesson.source, counter, limit)]


def cut_folder(root: Path) -> CutCourse:
    return cut_course(read_course(root), count_words, silent)


def quotes(source: str, chunks: list[Chunk]) -> list[tuple[str, str]]:
    return [(unit.form, source[unit.start : unit.end]) for chunk in chunks for unit in chunk.units]


def one_paragraph(sentences: int, words: int = 9) -> str:
    return " ".join(f"S{number} " + " ".join(["word"] * (words - 2)) + " end." for number in range(sentences))


# Nothing is lost, nothing is doubled


def lines_of_text(lesson: Lesson) -> Iterator[tuple[str, int, int]]:
    """Form, start and end of each non-blank line of a lesson of the two courses, its headings and code fences apart."""
    fenced = False
    place = lesson.body_start
    for line in lesson.source[lesson.body_start :].splitlines(keepends=True):
        start, place = place, place + len(line)
        text = line.strip()
        fence = text.startswith("```")
        if text and (fenced or fence or not re.match(r"#{1,6} |---$|>+$", text)):
            form = "code" if fenced or fence else "row" if text.startswith("|") else "text"
            yield form, start + line.index(text), start + line.index(text) + len(text)
        fenced ^= fence


@pytest.mark.parametrize("root", [SMALL_COURSE, SHIPPED_CORPUS], ids=["small course", "shipped course"])
def test_every_line_of_a_course_lands_in_exactly_one_chunk(root: Path) -> None:
    for lesson in read_course(root).lessons:
        chunks = cut_lesson(lesson)
        holders = [0] * len(lesson.source)
        for chunk in chunks:
            for place in range(chunk.start, chunk.end):
                holders[place] += 1
        for form, start, end in lines_of_text(lesson):
            line = f"{lesson.path}: {lesson.source[start:end]}"
            assert {holders[place] for place in range(start, end)} == {1}, line
            if form in {"row", "code"}:
                assert sum(chunk.start <= start and end <= chunk.end for chunk in chunks) == 1, line


NASTY = {
    "paragraph": "§ goes on\nand § on\n§ too. § **ends\nhere** §.",
    "link definitions": '[§]: http://x.org/§ "§"\n[§]: <a b>\n\n§ follows [§].',
    "footnotes": "§.[^1]\n\n[^1]: § is a note\n    with § below.\n\n    § as well.",
    "nested list": "- §\n  - §\n\n    § again\n\n    1. §\n       §\n  - §\n-\n  §\n+ §\n* §",
    "tasks and empty items": "- [ ] §\n- [x] §\n-\n- - §\n1.\n2. §",
    "quotation": "> §\n> §\nlazy §\n>\n> - §\n>   > §\n\n>§",
    "comment": "<!-- §\n\n§ -->\n§ right after\n\n§ <!-- § --> §",
    "html": "<div>\n§\n</div>\n\n<pre>\n§\n\n# §\n</pre>\n\n<script>\n§ < §\n</script>",
    "details": "<details><summary>§</summary>\n§\n</details>\n<details>\n<summary>§</summary>\n\n§\n\n- §\n\n</details>\n§",
    "nested details": "<details>§\n<details><summary>§</summary>\n§\n</details>\n§\n</details>\n§",
    "table": "§\n\n| § | b |\n|:--|--:|\n| § | § \\| § |\n| `§` |\n| § | § | § |\n|  | |\n§ without pipes",
    "table without leading pipes": "§ | §\n---|---\n§ | §\n§ |\n\n§",
    "paragraph that runs into a table": "§\n| § | b |\n|--|--|\n| § | § |\n## Heading\n§",
    "fences": "```py\n# §\n\n§\n```\n§\n~~~~mermaid\n§ --> §\n~~~\n§\n~~~~",
    "fence in an item": "- §\n\n  ```\n  # §\n\n  §\n  ```\n\n  § after",
    "indented code": "§\n\n    §\n\n      §\n\t§\n\n§",
    "thematic breaks": "***\n§\n\n* * *\n§\n___\n[§]: x\n- - -\n§",
    "setext headings": "§\n\nHeading\nin two lines\n===\n§\n\nHeading\n---\n§",
    "deep quotation": "> " * 40 + "§\n\n§",
    "deep list": "\n".join(f"{'  ' * level}- §" for level in range(30)) + "\n\n§",
    "emoji and combining marks": "§ 😀 e\u0301. § 👩‍👩‍👧 §. 🏳️‍🌈 §\n\n- 😀 §\n\n| 😀 | é |\n|--|--|\n| § | e\u0301 § |",
    "odd blanks": "§\u2028§\u00a0§\x0c§\x85§\n\n\u00a0\n\n\t§\n \n§  \n§\\\n§",
    "images and entities": "![§](a.png) &amp; \\* [§][§] <b>§</b> <http://x.org/§>\n\n![](§.png)",
    "long paragraph": "§ opens. " + "Some more words of § stand here. " * 60 + "§ ends.",
    "long item": "- § opens. " + "Some more words of § stand here. " * 60 + "§ ends.",
    "long sentence": "§ and on and " * 300 + "§.",
    "definition list and math": "§\n: §\n\n$$\n§ = x\n$$\n\n+++\n§\n+++",
    "null character": "§ \x00 §\n\n- \x00 §",
}


def marked(template: str) -> tuple[str, list[str]]:
    """``template`` with a word of its own for each §, and those words."""
    numbers = count()
    text = re.sub("§", lambda _: f"Mark{next(numbers):05d}", template)
    return text, re.findall(r"Mark\d{5}", text)


def assert_nothing_lost_or_doubled(template: str, newline: str, limit: int) -> None:
    text, marks = marked(template)
    source = text.replace("\n", newline)
    chunks = cut(source, limit)
    times = {mark: sum(chunk.text.count(mark) for chunk in chunks) for mark in marks}
    assert {mark: number for mark, number in times.items() if number != 1} == {}
    assert all(first.end <= second.start for first, second in pairwise(chunks))
    assert [chunk.text for chunk in chunks] == [source[chunk.start : chunk.end] for chunk in chunks]


@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"], ids=["LF", "CRLF", "CR"])
@pytest.mark.parametrize("name", NASTY)
def test_every_word_of_nasty_markdown_lands_in_exactly_one_chunk(name: str, newline: str) -> None:
    assert_nothing_lost_or_doubled(f"# Heading\n\n{NASTY[name]}\n", newline, limit=30)
    assert_nothing_lost_or_doubled(NASTY[name], newline, limit=CHUNK_TOKENS)


def grown(dice: random.Random, depth: int) -> str:
    """Nasty pieces put into quotations and items of lists, at random."""
    if depth == 0 or dice.random() < 0.5:
        return NASTY[dice.choice([name for name in NASTY if not name.startswith(("long", "deep"))])]
    inner = "\n\n".join(grown(dice, depth - 1) for _ in range(dice.randint(1, 3)))
    first, rest = dice.choice([("> ", "> "), ("- ", "  "), ("10. ", "    "), ("* > ", "  > ")])
    return first + inner.replace("\n", f"\n{rest}")


@pytest.mark.parametrize("seed", range(40))
def test_every_word_of_generated_markdown_lands_in_exactly_one_chunk(seed: int) -> None:
    dice = random.Random(seed)
    template = "\n\n## Heading\n\n".join(grown(dice, 3) for _ in range(4))
    assert_nothing_lost_or_doubled(template, dice.choice(["\n", "\r\n", "\r"]), dice.choice([20, 60, CHUNK_TOKENS]))


# Places


@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"], ids=["LF", "CRLF", "CR"])
@pytest.mark.parametrize("mark", ["", "\ufeff"], ids=["", "BOM"])
def test_places_are_true_in_the_file_whatever_its_newlines(tmp_path: Path, newline: str, mark: str) -> None:
    text = "---\ntitle: É\n---\n# 😀\n\nOne. Two\ngoes on.\n\n- Café.\n\n| A |\n|---|\n| 😀 |\n"
    (tmp_path / "a.md").write_bytes((mark + text.replace("\n", newline)).encode())
    source = (tmp_path / "a.md").read_bytes().decode()
    ((_, chunk),) = cut_folder(tmp_path).chunks
    assert source[chunk.start : chunk.end] == chunk.text
    assert chunk.text == "One. Two\ngoes on.\n\n- Café.\n\n| A |\n|---|\n| 😀 |".replace("\n", newline)
    assert quotes(source, [chunk]) == [
        ("sentence", "One."),
        ("sentence", f"Two{newline}goes on."),
        ("item", "Café."),
        ("row", "| 😀 |"),
    ]


@pytest.mark.parametrize("newline", ["\r\n", "\r"], ids=["CRLF", "CR"])
def test_another_newline_changes_nothing_but_the_places(small_course: Path, newline: str) -> None:
    def rewritten(newline: str) -> list[tuple[str, str, list[str]]]:
        for path in small_course.rglob("*.md"):
            path.write_bytes(re.sub(rb"\r\n?|\n", newline.encode(), path.read_bytes()))
        found = []
        for lesson, chunk in cut_folder(small_course).chunks:
            source = (small_course / lesson.path).read_bytes().decode()
            assert source[chunk.start : chunk.end] == chunk.text
            texts = [chunk.text, *(text for _, text in quotes(source, [chunk]))]
            found.append((chunk.section.key, chunk.embedded, [text.replace(newline, "\n") for text in texts]))
        return found

    assert rewritten("\n") == rewritten(newline)


@pytest.mark.parametrize("root", [SMALL_COURSE, SHIPPED_CORPUS], ids=["small course", "shipped course"])
def test_every_place_in_a_course_is_true(root: Path) -> None:
    for lesson, chunk in cut_folder(root).chunks:
        source = (root / lesson.path).read_bytes().decode()
        assert source[chunk.start : chunk.end] == chunk.text
        for unit in chunk.units:
            quote = source[unit.start : unit.end]
            assert chunk.start <= unit.start < unit.end <= chunk.end
            assert quote == quote.strip()
            shown = re.sub(r"[^\w%]", "", unit.text)
            assert shown in re.sub(r"\]\([^)\s]*\)|[^\w%]", "", quote)


# Sizes


LONG = {
    "paragraph": one_paragraph(400),
    "item": f"- {one_paragraph(400)}",
    "quotation": "\n".join(f"> {one_paragraph(1)}" for _ in range(200)),
    "html": f"<div>\n{one_paragraph(400)}\n</div>",
    "folded answer": f"<details><summary>Why?</summary>\n{one_paragraph(400)}\n</details>",
    "link definitions": "\n".join(f"[name-{number}]: http://x.org/{number} 'The title'" for number in range(200)),
    "sentence": " ".join(f"word{number}" for number in range(3000)) + ".",
    "sentence without spaces": "x" * 20_000,
    "Chinese without stops": "数据库复制延迟" * 200,
    "punctuation": "a,b;" * 1000,
    "addresses": "- " + " ".join(["http://x.org/a/b/c?d=e&f=g"] * 60),
    "many items": "\n".join(f"- {one_paragraph(2)}" for _ in range(60)),
    "table": "| A | B |\n|---|---|\n" + "\n".join(f"| row {number} | some more words |" for number in range(200)),
}


@pytest.mark.parametrize("counter", [count_words, count_letters], ids=["words", "letters"])
@pytest.mark.parametrize("name", LONG)
def test_what_can_be_split_stays_within_the_limit(name: str, counter: CountTokens) -> None:
    chunks = cut(f"# A\n\n## Part\n\n{LONG[name]}\n", CHUNK_TOKENS, counter)
    assert [counter(chunk.embedded) for chunk in chunks if counter(chunk.embedded) > CHUNK_TOKENS] == []


@pytest.mark.parametrize("name", LONG)
def test_the_real_model_reads_every_chunk_whole(name: str, embedder: OnnxEmbedder) -> None:
    chunks = cut(f"# A\n\n## Part\n\n{LONG[name]}\n", CHUNK_TOKENS, embedder.count_tokens)
    sizes = [embedder.count_tokens(chunk.embedded) for chunk in chunks]
    assert [size for size in sizes if size > CHUNK_TOKENS] == []


def test_every_chunk_of_the_shipped_course_is_read_whole_by_the_model(embedder: OnnxEmbedder) -> None:
    chunks = cut_course(read_course(SHIPPED_CORPUS), embedder.count_tokens, silent).chunks
    sizes = {chunk.chunk_id: embedder.count_tokens(chunk.embedded) for _, chunk in chunks}
    assert {name: size for name, size in sizes.items() if size > CHUNK_TOKENS} == {}


def test_neighbouring_blocks_share_a_chunk_until_it_is_full() -> None:
    ten_words = "a b c d e f g h i j"
    chunks = cut(f"# Title\n\n{ten_words}\n\n{ten_words}\n\n{ten_words}\n", limit=21)
    assert [chunk.text for chunk in chunks] == [f"{ten_words}\n\n{ten_words}", ten_words]
    assert [(chunk.ordinal, chunk.section.title) for chunk in chunks] == [(0, "Title"), (1, "Title")]


def test_sections_never_share_a_chunk() -> None:
    assert [chunk.text for chunk in cut("# A\n\nOne.\n\n## B\n\nTwo.\n")] == ["One.", "Two."]


def test_a_long_paragraph_is_cut_between_sentences() -> None:
    chunks = cut(f"# A\n\n{one_paragraph(50)}\n", limit=30)
    assert [chunk.text[:1] for chunk in chunks] == ["S"] * 17
    assert [chunk.text[-4:] for chunk in chunks] == ["end."] * 17


@pytest.mark.parametrize("counter", [count_words, count_letters], ids=["words", "letters"])
def test_a_sentence_of_3000_words_is_cut_between_words(counter: CountTokens) -> None:
    words = [f"word{number}" for number in range(3000)]
    chunks = cut(f"# A\n\n{' '.join(words)}.\n", CHUNK_TOKENS, counter)
    assert " ".join(chunk.text.strip() for chunk in chunks).split() == [*words[:-1], "word2999."]


@pytest.mark.parametrize("letter", ["e\u0301", "👩\u200d👩\u200d👧"], ids=["combining mark", "joined emoji"])
def test_a_text_without_spaces_is_not_cut_inside_a_character(letter: str) -> None:
    chunks = cut(f"# A\n\n{letter * 1000}\n", CHUNK_TOKENS, count_letters)
    firsts = {chunk.text[0] for chunk in chunks} | {chunk.text[-1] for chunk in chunks if chunk.text[-1] == "\u200d"}
    assert [char for char in firsts if unicodedata.combining(char) or char == "\u200d"] == []


@pytest.mark.parametrize(
    "block",
    ["```py\n" + "x = 1\n\n" * 300 + "```", "```mermaid\n" + "a --> b\n" * 300 + "```", "    indented code\n" * 300],
    ids=["code", "diagram", "indented code"],
)
def test_code_stays_whole_however_long(block: str) -> None:
    chunks = cut(f"# A\n\nBefore.\n\n{block}\n\nAfter.\n", limit=50)
    assert [block.strip() in chunk.text for chunk in chunks].count(True) == 1


def test_a_table_row_stays_whole_however_long() -> None:
    row = f"| {'cell ' * 100}| {'other ' * 100}|"
    assert [chunk.text.count(row) for chunk in cut(f"| A | B |\n|---|---|\n| x | y |\n{row}\n| z | z |\n", limit=30)] == [
        0,
        1,
        0,
    ]


# What is embedded


def test_embedded_text_is_plain_and_stands_under_the_trail_of_headings() -> None:
    (chunk,) = cut("# The *Oven*\n\n## Steam {#st}\n\nSee **[the lid](x.md)** now.\n\n- One `a.b`\n\n> So\n> on.\n")
    assert chunk.embedded == "The Oven > Steam\nSee the lid now.\nOne `a.b`\nSo on."


def test_a_long_quotation_is_embedded_without_its_marks() -> None:
    chunks = cut("# A\n\n" + "\n".join(f"> {one_paragraph(1)}" for _ in range(60)) + "\n", limit=50)
    assert [chunk.embedded.count(">") for chunk in chunks] == [0] * len(chunks)


def test_a_table_split_over_chunks_repeats_its_column_titles_in_each() -> None:
    rows = "".join(f"| ratio {number} | {number} hours |\n" for number in range(30))
    chunks = cut(f"# A\n\n| Ratio | Peak after |\n|---|---|\n{rows}", limit=41)
    embedded = [line for chunk in chunks for line in chunk.embedded.splitlines() if line not in {"A", ""}]
    assert embedded == [f"Ratio: ratio {number}; Peak after: {number} hours" for number in range(30)]
    assert [len(chunk.units) for chunk in chunks] == [5] * 6


def test_a_diagram_is_kept_and_only_its_text_alternative_is_embedded() -> None:
    (chunk,) = cut("# A\n\n```mermaid\nflowchart TD\n  x --> y\n```\n*In words: x leads to y.*\n")
    assert "x --> y" in chunk.text
    assert chunk.embedded == "A\nIn words: x leads to y."


# Units


def test_units_are_sentences_items_and_rows() -> None:
    source = "# A\n\nOne. Two.\n\n- Three. Four.\n  - Five\n\n  | H |\n  |---|\n  | six |\n\n```\ncode\n```\n\n<div>x</div>\n"
    assert quotes(source, cut(source)) == [
        ("sentence", "One."),
        ("sentence", "Two."),
        ("item", "Three. Four."),
        ("item", "Five"),
        ("row", "| six |"),
    ]


def test_a_long_item_is_quoted_by_the_sentence() -> None:
    source = f"- {one_paragraph(8)}\n- Short. Item.\n"
    forms = [form for form, _ in quotes(source, cut(source))]
    assert forms == [*["sentence"] * 8, "item"]


def test_the_words_under_a_diagram_are_not_quoted() -> None:
    source = "```mermaid\nx --> y\n```\n*In words: x leads to y.*\n\nAnd *this* is a sentence, *too*.\n"
    assert quotes(source, cut(source)) == [("sentence", "And *this* is a sentence, *too*.")]


def test_units_of_one_block_share_its_number_and_neighbours_do_not() -> None:
    (chunk,) = cut("One. Two.\n\nThree.\n\n- Four\n- Five\n")
    assert [(unit.text, unit.paragraph) for unit in chunk.units] == [
        ("One.", 0),
        ("Two.", 0),
        ("Three.", 1),
        ("Four", 2),
        ("Five", 3),
    ]


def test_units_of_a_paragraph_cut_in_two_keep_its_number() -> None:
    chunks = cut(f"Lead.\n\n{one_paragraph(10)}\n", limit=39)
    assert [[unit.paragraph for unit in chunk.units] for chunk in chunks] == [[0], [1, 1, 1, 1], [1, 1, 1, 1], [1, 1]]


def test_a_row_is_read_out_under_its_column_titles() -> None:
    (chunk,) = cut("| Flour | *Protein* |  |\n|---|---|---|\n| **Cake** | 7 to 9% | x |\n")
    (unit,) = chunk.units
    assert (unit.text, unit.spoken) == ("Cake | 7 to 9% | x", "Flour: Cake; Protein: 7 to 9%; x")
    assert (unit.header, unit.cells) == (("Flour", "Protein", ""), ("Cake", "7 to 9%", "x"))


def test_a_sentence_over_several_quoted_lines_is_read_without_their_marks() -> None:
    (chunk,) = cut("> Steam keeps the skin\n> soft. Let it **out\n> later**.\n")
    assert [unit.text for unit in chunk.units] == ["Steam keeps the skin soft.", "Let it out later."]


def test_emphasis_over_several_sentences_leaves_no_mark() -> None:
    (chunk,) = cut("**Wait. Then bake.** *Cool.*\n")
    assert [unit.text for unit in chunk.units] == ["Wait.", "Then bake.", "Cool."]


@pytest.mark.parametrize("source", ["- ![](a.png)", "|  |  |", "![](a.png)", "- <!-- note -->", "[](x.md)"])
def test_what_has_no_words_is_no_unit(source: str) -> None:
    table = "| A | B |\n|---|---|\n" if source.startswith("|") else ""
    assert [chunk.units for chunk in cut(f"# A\n\n{table}{source}\n")] == [()]


@pytest.mark.parametrize("name", LONG)
def test_a_unit_stands_inside_its_chunk(name: str) -> None:
    chunks = cut(f"# A\n\n{LONG[name]}\n", CHUNK_TOKENS, count_letters)
    outside = [unit for chunk in chunks for unit in chunk.units if not chunk.start <= unit.start < unit.end <= chunk.end]
    assert [(unit.start, unit.end) for unit in outside] == []


# The course cut


def test_chunk_ids_name_each_chunk_once() -> None:
    ids = [chunk.chunk_id for _, chunk in cut_folder(SHIPPED_CORPUS).chunks]
    assert len(set(ids)) == len(ids)


def test_chunk_ids_of_other_lessons_stay_when_a_lesson_changes(small_course: Path) -> None:
    def ids() -> dict[str, list[str]]:
        found: dict[str, list[str]] = {}
        for lesson, chunk in cut_folder(small_course).chunks:
            found.setdefault(lesson.path, []).append(chunk.chunk_id)
        return found

    before = ids()
    changed = small_course / "oven/04-oven-and-steam.md"
    changed.write_text(changed.read_text("utf-8").replace("## Scoring\nCut", "## Scoring\nSlash"), "utf-8")
    after = ids()
    edited = "oven/04-oven-and-steam.md"
    assert {path for path in before if before[path] != after[path]} == {edited}
    same = [first == second for first, second in zip(before[edited], after[edited], strict=True)]
    assert same[:5] == [True, True, True, True, False]


def test_sections_that_never_answer_are_read_and_not_searched(small_course: Path) -> None:
    lesson = small_course / "dough/01-flour-and-gluten.md"
    lesson.write_text(lesson.read_text("utf-8") + "\n### Books\n\nA book.\n\n## After\n\nSearched.\n", "utf-8")
    cut = cut_folder(small_course)
    assert [section.anchor for section in cut.sections["dough/01-flour-and-gluten.md"]][-3:] == [
        "further-reading",
        "books",
        "after",
    ]
    searched = [chunk.section.anchor for found, chunk in cut.chunks if found.number == 1]
    assert searched[-2:] == ["salt-fat-sugar", "after"]


def test_progress_is_told_after_each_lesson(small_course: Path) -> None:
    told: list[tuple[str, int, int]] = []
    cut_course(read_course(small_course), count_words, lambda *step: told.append(step))
    assert told == [("reading", done, 5) for done in range(1, 6)]


def asks_fault(root: Path, content: str) -> str:
    (root / "a.md").write_bytes(content.encode())
    with pytest.raises(CourseError) as caught:
        cut_folder(root)
    return caught.value.message


# The authors' questions


@pytest.mark.parametrize(
    ("source", "line"),
    [
        ("---\nid: a\nasks:\n  - {q: Why, section: here}\n  - {q: How, section: gone}\n---\n## Here\n\nT\n", 5),
        ("---\r\nid: a\r\nasks:\r\n  - {q: How, section: gone}\r\n---\r\n## Here\r\n\r\nT\r\n", 4),
        ("---\nid: a\ntitle: How and why\nasks:\n  - {q: How, section: gone}\n---\n## Here\n\nT\n", 5),
        ('---\nid: a\nasks:\n  - {q: "How \\"so\\"?", section: gone}\n---\n## Here\n\nT\n', 4),
    ],
    ids=["second ask", "Windows newlines", "words that stand elsewhere too", "escaped quotes"],
)
def test_an_ask_that_points_nowhere_is_named_with_its_line(tmp_path: Path, source: str, line: int) -> None:
    message = asks_fault(tmp_path, source)
    assert message.startswith(f"a.md:{line}: ")
    assert "'#gone'" in message


def test_asks_that_point_nowhere_are_reported_together(tmp_path: Path) -> None:
    message = asks_fault(tmp_path, "---\nasks:\n  - {q: Why, section: gone}\n  - {q: How, section: lost}\n---\n## Here\n\nT\n")
    assert [anchor for anchor in ("#gone", "#lost") if anchor in message] == ["#gone", "#lost"]


def test_asks_are_joined_to_the_sections_they_point_to(small_course: Path) -> None:
    cut = cut_folder(small_course)
    found = {question: (lesson.number, section.title) for lesson, question, section in cut.asks}
    assert len(cut.asks) == 22
    assert found["How warm should the water be?"] == (2, "Water temperature")
    assert found["Is my starter ripe enough to bake with?"] == (3, "Is it ripe?")
