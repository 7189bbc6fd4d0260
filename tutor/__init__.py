"""A question in, an answer made of the course's own words out.

``settings`` (read once, at an entry point) -> ``course_index`` (an open version of a course) -> ``search`` (hybrid
retrieval) -> ``coverage`` (is the question the course's at all?) -> ``passages`` (which sentences to quote) ->
``answer`` (the Answer, with Citations) .
"""
