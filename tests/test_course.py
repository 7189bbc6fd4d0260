"""Reading a course folder: numbers, ids, titles, modules, what is left out, and every fault named with its place."""

from pathlib import Path

import pytest

from ingest.course import Course, Lesson, read_course
from ingest.errors import CourseError
from ingest.front_matter import read_head


def write_course(root: Path, files: dict[str, str | bytes]) -> Path:
    for name, content in files.items():
        path = root / "my-course" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return root / "my-course"


def read(root: Path, files: dict[str, str | bytes]) -> Course:
    return read_course(write_course(root, files))


def read_one(root: Path, name: str, content: str) -> Lesson:
    (lesson,) = read(root, {name: content}).lessons
    return lesson


def fault(root: Path, files: dict[str, str | bytes]) -> str:
    with pytest.raises(CourseError) as caught:
        read(root, files)
    assert caught.value.hint
    return caught.value.message


# Numbers, ids and titles


def test_the_small_course_is_read_in_the_order_of_its_contents_page(small_course: Path) -> None:
    course = read_course(small_course)
    assert [(lesson.number, lesson.lesson_id, lesson.title, lesson.module) for lesson in course.lessons] == [
        (1, "flour-and-gluten", "Flour and gluten", "dough"),
        (2, "bakers-percentage", "Baker's percentages", "dough"),
        (3, "sourdough-starter", "The sourdough starter", "dough"),
        (4, "oven-and-steam", "Oven and steam", "oven"),
        (5, "troubleshooting", "Reading a failed loaf", "oven"),
    ]
    assert (course.declared_id, course.title, course.not_searched) == ("bread", "Bread from scratch", ("further-reading",))
    assert course.scope.startswith("Yeast and sourdough bread")
    assert [planned.id for planned in course.modules[1].lessons] == ["oven-and-steam", "troubleshooting", "wholegrain"]


def test_front_matter_wins_over_file_name_and_heading(tmp_path: Path) -> None:
    lesson = read_one(tmp_path, "03-name.md", "---\nid: given\nnumber: 7\ntitle: Given\nmodule: m\n---\n# Heading\n\nText.\n")
    assert (lesson.lesson_id, lesson.number, lesson.title, lesson.module) == ("given", 7, "Given", "m")


def test_a_lesson_without_front_matter_takes_number_and_id_from_its_file_name(tmp_path: Path) -> None:
    lesson = read_one(tmp_path, "03-rye_and-wheat.md", "Text.\n")
    assert (lesson.number, lesson.lesson_id, lesson.title, lesson.kind) == (3, "rye_and-wheat", "Rye and wheat", "lesson")


def test_a_file_name_without_a_number_gives_no_number(tmp_path: Path) -> None:
    assert read_one(tmp_path, "rye.md", "Text.\n").number is None


@pytest.mark.parametrize(
    ("source", "title"),
    [
        ("# From the heading\n\nText.\n", "From the heading"),
        ("Lead.\n\n# Later heading {#later} #\n\nText.\n", "Later heading"),
        ("# With Windows newlines {#w}\r\n\r\nText.\r\n", "With Windows newlines"),
        ("# With lone returns\r\rText.\r", "With lone returns"),
        ("Underlined\n==========\n\nText.\n", "Underlined"),
        ("# Programming in C#\n\nText.\n", "Programming in C#"),
        ("# Plain *words*\n\nText.\n", "Plain words"),
        ("```sh\n# a comment\n```\n\n# After the code\n", "After the code"),
        ("```sh\n# a comment\n```\n", "No heading here"),
        ("## Only a second level\n\nText.\n", "No heading here"),
    ],
)
def test_title_is_that_of_the_first_heading_else_of_the_file(tmp_path: Path, source: str, title: str) -> None:
    assert read_one(tmp_path, "01-no-heading_here.md", source).title == title


def test_a_course_without_course_yaml_is_called_after_its_folder(tmp_path: Path) -> None:
    course = read(tmp_path, {"a.md": "Text."})
    assert (course.declared_id, course.title, course.modules) == ("", "My course", ())


def test_sub_folders_are_modules_titled_after_their_names(tmp_path: Path) -> None:
    course = read(tmp_path, {"01-the_basics/a.md": "A", "02-oven/deep-er/b.md": "B", "c.md": "C"})
    assert {lesson.lesson_id: lesson.module for lesson in course.lessons} == {
        "a": "01-the_basics",
        "b": "02-oven/deep-er",
        "c": "",
    }
    assert [(module.id, module.title) for module in course.modules] == [
        ("01-the_basics", "The basics"),
        ("02-oven/deep-er", "Deep er"),
    ]


def test_without_contents_page_lessons_stand_in_the_order_of_their_numbers(tmp_path: Path) -> None:
    course = read(tmp_path, {"10-a.md": "A", "2-b.md": "B", "9-c.md": "C", "notes.md": "D"})
    assert [lesson.lesson_id for lesson in course.lessons] == ["b", "c", "a", "notes"]


def test_the_contents_page_gives_order_and_module_whatever_the_numbers_and_folders(tmp_path: Path) -> None:
    contents = "modules:\n  - {id: m, title: M, lessons: [{id: z, title: Z}, {id: y, title: Y}]}\n"
    course = read(tmp_path, {"course.yaml": contents, "01-x.md": "A", "sub/02-y.md": "B", "03-z.md": "C"})
    assert [(lesson.lesson_id, lesson.module) for lesson in course.lessons] == [("z", "m"), ("y", "m"), ("x", "")]


def test_a_number_guessed_twice_is_no_number(tmp_path: Path) -> None:
    course = read(tmp_path, {"a/01-x.md": "A", "a/02-y.md": "B", "b/01-u.md": "C"})
    assert {lesson.lesson_id: lesson.number for lesson in course.lessons} == {"x": None, "y": 2, "u": None}


def test_where_numbers_start_again_in_each_folder_the_order_is_that_of_the_files(tmp_path: Path) -> None:
    course = read(tmp_path, {"a/01-x.md": "A", "a/02-y.md": "B", "a/03-z.md": "C", "b/01-u.md": "D", "b/02-v.md": "E"})
    assert [lesson.lesson_id for lesson in course.lessons] == ["x", "y", "z", "u", "v"]


def test_a_guessed_number_gives_way_to_a_declared_one(tmp_path: Path) -> None:
    course = read(tmp_path, {"03-guessed.md": "A", "b.md": "---\nnumber: 3\n---\nB"})
    assert {lesson.lesson_id: lesson.number for lesson in course.lessons} == {"guessed": None, "b": 3}


def test_ids_guessed_twice_get_the_name_of_their_folder(tmp_path: Path) -> None:
    course = read(tmp_path, {"dough/01-intro.md": "A", "oven/intro.md": "B"})
    assert sorted(lesson.lesson_id for lesson in course.lessons) == ["dough/01-intro", "oven/intro"]


def test_a_declared_essay_has_no_number_and_stands_last(tmp_path: Path) -> None:
    files: dict[str, str | bytes] = {
        "course.yaml": "essays:\n  - {id: big, title: Big}\n",
        "essays/01-big.md": "A",
        "essays/02-other.md": "B",
        "z.md": "C",
    }
    course = read(tmp_path, files)
    assert [(lesson.lesson_id, lesson.kind, lesson.number, lesson.module) for lesson in course.lessons] == [
        ("other", "lesson", 2, "essays"),
        ("z", "lesson", None, ""),
        ("essay/big", "essay", None, ""),
    ]


# What is read and what is not


def test_only_markdown_files_that_are_not_hidden_are_lessons(tmp_path: Path) -> None:
    names = ["a.md", "b.MARKDOWN", "c.txt", ".d.md", ".git/e.md", "sub/.hidden/f.md", "sub/g.md", "h.mdx"]
    course = read(tmp_path, dict.fromkeys(names, "Text."))
    assert sorted(lesson.path for lesson in course.lessons) == ["a.md", "b.MARKDOWN", "sub/g.md"]


@pytest.mark.parametrize("pattern", ["capstone/*", "capstone", "capstone/", "*/rubric.md"])
def test_excluded_paths_and_folders_are_not_read(tmp_path: Path, pattern: str) -> None:
    rubric = {"capstone/rubric.md": "R", "a.md": "A"}
    course = read(tmp_path, {"course.yaml": f'exclude: [NOTES.md, "{pattern}"]\n', "NOTES.md": b"\xff", **rubric})
    assert [lesson.path for lesson in course.lessons] == ["a.md"]


def test_the_corpus_hash_follows_what_is_read_and_nothing_else(small_course: Path) -> None:
    before = read_course(small_course).corpus_hash
    (small_course / "NOTES.md").write_text("excluded, and changed")
    (small_course / "picture.svg").write_text("no lesson")
    assert read_course(small_course).corpus_hash == before
    (small_course / "oven/04-oven-and-steam.md").write_text("# Oven and steam\n\nShorter.\n")
    changed = read_course(small_course).corpus_hash
    assert changed != before
    (small_course / "oven/04-oven-and-steam.md").rename(small_course / "oven/04-steam.md")
    assert read_course(small_course).corpus_hash not in {before, changed}


def test_a_lesson_without_text_is_a_warning_and_left_out(tmp_path: Path) -> None:
    course = read(tmp_path, {"a.md": "", "b.md": "---\nid: b\n---\n \t\r\n", "c.md": "\ufeff\n", "d.md": "Text."})
    assert [lesson.path for lesson in course.lessons] == ["d.md"]
    assert [warning.split(":")[0] for warning in course.warnings] == ["a.md", "b.md", "c.md"]


def test_a_course_of_empty_lessons_is_a_fault(tmp_path: Path) -> None:
    assert "is empty" in fault(tmp_path, {"a.md": " \n", "b.md": "---\nid: b\n---\n"})


def test_a_folder_without_markdown_is_a_fault_that_names_it(tmp_path: Path) -> None:
    assert f"no Markdown file in {tmp_path / 'my-course'}" in fault(tmp_path, {"a.txt": "Text."})


@pytest.mark.parametrize("name", ["absent", "file.md"])
def test_a_missing_folder_is_a_fault_that_names_it(tmp_path: Path, name: str) -> None:
    (tmp_path / "file.md").write_text("Text.")
    with pytest.raises(CourseError, match=f"no course folder at {tmp_path / name}"):
        read_course(tmp_path / name)


# Front matter


def test_front_matter_of_other_tools_is_accepted(tmp_path: Path) -> None:
    head = (
        "---\ntitle: 1984\ndate: 2024-01-01T10:00:00Z\ndraft: false\nlayout: post\ntags: [a, b]\nweight: 10\n"
        'menu:\n  main: {parent: x}\n"quoted key": 1\nsummary:\nprerequisites: rye\nminutes: "12"\n---\n'
    )
    lesson = read_one(tmp_path, "a.md", f"{head}Text.\n")
    assert (lesson.title, lesson.summary, lesson.prerequisites, lesson.minutes) == ("1984", "", ("rye",), 12)
    assert lesson.source[lesson.body_start :] == "Text.\n"


def test_dates_of_facts_are_text(tmp_path: Path) -> None:
    lesson = read_one(
        tmp_path, "a.md", "---\nfacts:\n  - {id: f, claim: C, published: 2024-05, checked_on: 2025-01-31}\n---\nT"
    )
    assert [(fact.published, fact.checked_on) for fact in lesson.facts] == [("2024-05", "2025-01-31")]


@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
@pytest.mark.parametrize("closing", ["---", "...", "--- "])
def test_the_body_starts_after_the_front_matter(newline: str, mark: str, closing: str) -> None:
    source = f"{mark}---\ntitle: 'É 😀'\nnumber: 4\n{closing}\nBody.\n".replace("\n", newline)
    head = read_head(source, "a.md")
    assert (head.front_matter.title, head.front_matter.number) == ("É 😀", 4)
    assert source[head.body_start :] == f"Body.{newline}"


@pytest.mark.parametrize("source", ["Body.\n", "---\n\nBody.\n"])
def test_a_byte_order_mark_is_never_part_of_the_body(source: str) -> None:
    assert read_head(source, "a.md").body_start == 0
    assert read_head(f"\ufeff{source}", "a.md").body_start == 1


@pytest.mark.parametrize(
    ("source", "place"),
    [
        ("---\ntitle: x\n\nText.\n", "sub/a.md:1: "),
        ("---\ntitle: x\nsummary: a: b\n---\nText.\n", "sub/a.md:3: "),
        ("---\r\ntitle: x\r\n\tid: y\r\n---\r\nText.\r\n", "sub/a.md:3: "),
        ("---\ntitle: x\ndate: 2024-13-45\n---\nText.\n", "sub/a.md:"),
        ("---\n- title\n- x\n---\nText.\n", "sub/a.md:2: "),
        ("---\ntitle: x\nid: y\nnumber: four\n---\nText.\n", "sub/a.md:4: front matter 'number'"),
        ("---\r\nid: y\r\nminutes: ten\r\n---\r\nText.\r\n", "sub/a.md:3: front matter 'minutes'"),
        ("---\nasks: what\n---\nText.\n", "sub/a.md:2: front matter 'asks'"),
        ("---\nid: y\nasks:\n  - {q: A, section: b}\n  - {q: C}\n---\nText.\n", "sub/a.md:3: front matter 'asks.1.section'"),
        ("---\ntitle: [a, b]\n---\nText.\n", "sub/a.md:2: front matter 'title'"),
    ],
)
def test_broken_front_matter_is_named_with_file_and_line(tmp_path: Path, source: str, place: str) -> None:
    assert fault(tmp_path, {"sub/a.md": source}).startswith(place)


# course.yaml


@pytest.mark.parametrize(
    ("content", "place"),
    [
        (b"- a\n- b\n", "course.yaml:"),
        (b"just words\n", "course.yaml:"),
        (b"id: x\ntitle: a: b\n", "course.yaml:2: "),
        (b"id: x\nmodules: [a]\n", "course.yaml: 'modules.0'"),
        (b"id: x\nmodules:\n  - {id: a}\n", "course.yaml: 'modules.0.title'"),
        (b"id: x\ntitle: caf\xe9\n", "course.yaml:2: byte 0xe9"),
        (b"id: x\nupdated: 2024-02-30\n", "course.yaml:"),
        (b"id: x\ntitle: a\x07b\n", "course.yaml:"),
    ],
)
def test_a_broken_course_yaml_is_a_fault_that_names_the_place(tmp_path: Path, content: bytes, place: str) -> None:
    message = fault(tmp_path, {"course.yaml": content, "a.md": "Text."})
    assert message.startswith(place)
    assert "''" not in message


@pytest.mark.parametrize("content", ["", "# nothing yet\n", "unknown: key\n", "\ufeffid: x\n"])
def test_course_yaml_may_say_nothing_or_more_than_is_known(tmp_path: Path, content: str) -> None:
    assert read(tmp_path, {"course.yaml": content, "a.md": "Text."}).title == "My course"


# Faults of the files and of the whole


def test_a_file_that_is_not_utf8_is_named_with_line_and_byte(tmp_path: Path) -> None:
    assert fault(tmp_path, {"a.md": "é\nx\n".encode() + b"caf\xe9\n"}).startswith("a.md:3: byte 0xe9 at offset 8 ")


def test_a_file_up_to_the_size_limit_is_read_and_a_larger_one_is_a_fault(tmp_path: Path) -> None:
    assert len(read_one(tmp_path, "a.md", "x" * 1_000_000).source) == 1_000_000
    assert fault(tmp_path, {"a.md": "x" * 1_000_001}).startswith("a.md: 1.0 MB in one file, the limit is 1 MB")


def test_declared_ids_and_numbers_that_repeat_are_faults_naming_both_files(tmp_path: Path) -> None:
    head = "---\nid: same\nnumber: 4\n---\nText."
    message = fault(tmp_path, {"a.md": head, "b.md": head})
    assert "b.md:1: id 'same' is already that of a.md" in message
    assert "b.md:1: number '4' is already that of a.md" in message


def test_all_faults_of_a_course_are_reported_together(tmp_path: Path) -> None:
    files: dict[str, str | bytes] = {
        "a.md": "---\ntitle: x\n",
        "b.md": b"\xff",
        "c.md": "x" * 1_000_001,
        "d.md": "---\nid: same\n---\nText.",
        "e.md": "---\nid: same\n---\nText.",
        "f.md": "Text.",
    }
    message = fault(tmp_path, files)
    assert message.startswith("4 faults")
    assert [name for name in files if f"\n  {name}:" in message] == ["a.md", "b.md", "c.md", "e.md"]
