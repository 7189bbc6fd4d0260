"""The knobs: which value wins, what is an error, what is shown and what is kept to oneself."""

import json
from dataclasses import FrozenInstanceError
from pathlib import Path

import pytest

from ingest.errors import SettingsError
from tests.conftest import SMALL_COURSE, Tutor
from tutor.settings import KNOBS, SHIPPED_CORPUS, Settings, read_settings

KEY = "qd-4711-do-not-show"


def source_of(settings: Settings, name: str) -> tuple[str, str]:
    """(value, where it came from) of a knob."""
    return next((value, source) for knob, value, source, _ in settings.shown() if knob == name)


def fault(environment: dict[str, str], port: str | None = None) -> SettingsError:
    with pytest.raises(SettingsError) as caught:
        read_settings(environment, port=port)
    assert caught.value.hint
    return caught.value


@pytest.mark.parametrize(
    ("name", "option", "other"),
    [("TUTOR_HOME", "home", "/srv/h"), ("TUTOR_COURSE", "course", "/srv/c"), ("TUTOR_PORT", "port", "9000")],
)
def test_an_option_wins_over_the_environment_and_that_over_the_default(name: str, option: str, other: str) -> None:
    default = KNOBS[name][0]
    assert source_of(read_settings({}), name) == (default, "default")
    assert source_of(read_settings({name: "4711"}), name) == ("4711", "environment")
    assert source_of(read_settings({name: "4711"}, **{option: other}), name) == (other, "option")
    assert source_of(read_settings({}, **{option: other}), name) == (other, "option")


def test_each_variable_reaches_its_value() -> None:
    environment = {
        "TUTOR_HOME": "/srv/home",
        "TUTOR_COURSE": "/srv/course",
        "TUTOR_EMBEDDER": "/srv/model",
        "TUTOR_CACHE": "/srv/cache",
        "TUTOR_QDRANT_URL": "http://qdrant:6333",
        "TUTOR_QDRANT_API_KEY": KEY,
        "TUTOR_PORT": "9000",
        "TUTOR_ADDRESS": "0.0.0.0",
    }
    settings = read_settings(environment)
    assert (settings.home, settings.course, settings.cache) == (Path("/srv/home"), Path("/srv/course"), Path("/srv/cache"))
    assert (settings.embedder, settings.port, settings.address) == ("/srv/model", 9000, "0.0.0.0")
    assert (settings.qdrant_url, settings.qdrant_api_key) == ("http://qdrant:6333", KEY)
    assert {settings.sources[name] for name in environment} == {"environment"}


@pytest.mark.parametrize("name", list(KNOBS))
def test_no_variable_is_read_in_vain(name: str) -> None:
    changed, default = read_settings({name: "4711"}).shown(), read_settings({}).shown()
    differing = {knob[0]: knob[1:3] for knob, other in zip(changed, default, strict=True) if knob[1] != other[1]}
    assert differing in ({name: ("4711", "environment")}, {name: ("(set)", "environment")})


def test_without_settings_the_shipped_course_is_served_to_this_machine_alone() -> None:
    settings = read_settings({})
    assert (settings.course, settings.home) == (SHIPPED_CORPUS, Path(".tutor"))
    assert (settings.address, settings.port, settings.qdrant_url) == ("127.0.0.1", 8501, "")
    assert (SHIPPED_CORPUS / "course.yaml").is_file()


@pytest.mark.parametrize("name", list(KNOBS))
def test_an_empty_variable_is_as_good_as_none(name: str) -> None:
    assert read_settings({name: ""}) == read_settings({})


def test_a_tilde_is_the_home_of_the_user() -> None:
    settings = read_settings({"TUTOR_CACHE": "~/models", "TUTOR_COURSE": "~/course"}, home="~/tutor")
    folders = (settings.cache, settings.course, settings.home)
    assert folders == (Path.home() / "models", Path.home() / "course", Path.home() / "tutor")


def test_models_are_kept_in_the_cache_folder_that_the_desktop_names(tmp_path: Path) -> None:
    assert read_settings({"XDG_CACHE_HOME": str(tmp_path)}).cache == tmp_path / "course-tutor"


def test_an_unknown_variable_is_an_error_that_names_it_and_the_known_ones() -> None:
    error = fault({"TUTOR_HOMME": "/x", "TUTOR_HOME": "/y"})
    assert error.message == "unknown setting TUTOR_HOMME"
    assert all(name in error.hint for name in KNOBS)


def test_all_unknown_variables_are_named_at_once() -> None:
    assert fault({"TUTOR_ZOOM": "1", "TUTOR_API": "2"}).message == "unknown setting TUTOR_API, TUTOR_ZOOM"


@pytest.mark.parametrize("name", ["PATH", "TUTORIAL", "MY_TUTOR_HOME", "OPENAI_API_KEY"])
def test_variables_of_other_programs_are_none_of_its_business(name: str) -> None:
    assert read_settings({name: "x"}) == read_settings({})


def test_the_server_for_the_store_tests_may_be_named_and_changes_nothing() -> None:
    assert read_settings({"TUTOR_TEST_QDRANT_URL": "http://localhost:6333"}) == read_settings({})


@pytest.mark.parametrize("port", ["0", "65536", "-1", "80a", "8501.0", "²", "9" * 5_000])
def test_a_port_that_is_none_is_an_error_that_shows_it(port: str) -> None:
    assert fault({"TUTOR_PORT": port}).message == f"TUTOR_PORT is '{port}', which is no port"
    assert fault({}, port=port).message == f"TUTOR_PORT is '{port}', which is no port"


@pytest.mark.parametrize("port", ["1", "65535"])
def test_the_first_and_the_last_port_are_ports(port: str) -> None:
    assert read_settings({"TUTOR_PORT": port}).port == int(port)


def test_settings_cannot_be_changed_afterwards() -> None:
    settings = read_settings({})
    with pytest.raises(FrozenInstanceError):
        settings.port = 80  # type: ignore[misc]


def test_every_knob_is_shown_with_value_source_and_meaning() -> None:
    shown = read_settings({"TUTOR_PORT": "9000"}).shown()
    assert {name: meaning for name, _, _, meaning in shown} == {name: meaning for name, (_, meaning) in KNOBS.items()}
    assert ("TUTOR_PORT", "9000", "environment", KNOBS["TUTOR_PORT"][1]) in shown


def test_the_knobs_are_few() -> None:
    assert len(KNOBS) < 25


def test_a_key_is_shown_as_set_and_never_in_full() -> None:
    settings = read_settings({"TUTOR_QDRANT_API_KEY": KEY})
    assert source_of(settings, "TUTOR_QDRANT_API_KEY") == ("(set)", "environment")
    assert source_of(read_settings({}), "TUTOR_QDRANT_API_KEY") == ("", "default")
    assert KEY not in repr(settings.shown())


def test_a_key_does_not_slip_into_a_printed_settings_object() -> None:
    assert KEY not in repr(read_settings({"TUTOR_QDRANT_API_KEY": KEY}))


@pytest.mark.parametrize("form", [[], ["--json"]])
def test_doctor_shows_every_knob_but_no_key(tutor: Tutor, tmp_path: Path, form: list[str]) -> None:
    done = tutor("doctor", *form, home=tmp_path, TUTOR_QDRANT_API_KEY=KEY, TUTOR_PORT="9000", TUTOR_COURSE=str(SMALL_COURSE))
    assert all(name in done.stdout for name in KNOBS)
    assert "9000" in done.stdout
    assert KEY not in done.stdout + done.stderr


def test_doctor_says_where_each_value_comes_from(tutor: Tutor, tmp_path: Path) -> None:
    done = tutor("doctor", "--json", "--course", str(SMALL_COURSE), home=tmp_path)
    sources = {knob["name"]: knob["source"] for knob in json.loads(done.stdout)["settings"]}
    assert (sources["TUTOR_COURSE"], sources["TUTOR_HOME"], sources["TUTOR_PORT"]) == ("option", "environment", "default")
