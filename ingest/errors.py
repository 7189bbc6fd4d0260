"""The error tree: every failure a user can cause or mend is one of these, raised where it is known, shown at the edges.

TutorError
 ├─ SettingsError     a TUTOR_* variable or an option is unknown or cannot be used
 ├─ CourseError       the course folder or one of its files cannot be read (file and line are in the message)
 ├─ EmbedderError     the embedding model cannot be loaded or is not the one expected
 ├─ StoreError        the index store (embedded engine or server) failed
 │   ├─ IndexMissing  nothing has been ingested for this course yet
 │   ├─ IndexMismatch the index was built by another embedder or chunker
 │   └─ StorageFull   not enough disk space to build a version
 ├─ QuestionError     a question is empty, too long, or names an unknown lesson
 └─ CaseError         a file of evaluation cases is wrong
"""


class TutorError(Exception):
    """A failure with a cure.

    ``message`` says what is wrong and where; ``hint`` says what to do about it, as a command where there is one.
    """

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class SettingsError(TutorError):
    """A setting is unknown or has a value that cannot be used."""


class CourseError(TutorError):
    """The course folder, or a file in it, cannot be read as a course."""


class EmbedderError(TutorError):
    """The embedding model cannot be loaded."""


class StoreError(TutorError):
    """The index store failed or cannot be reached."""


class IndexMissing(StoreError):
    """No version has been published for this course."""


class IndexMismatch(StoreError):
    """The published version was built with another embedder or chunker than the one in use."""


class StorageFull(StoreError):
    """There is not enough free disk space to build a version."""


class QuestionError(TutorError):
    """A question cannot be answered as it was asked: empty, too long, or limited to lessons that do not exist."""


class CaseError(TutorError):
    """A file of evaluation cases, or a saved run, is wrong."""
