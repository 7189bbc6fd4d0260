"""Read a course, cut it into sections, chunks and quotable units, embed them, publish an index version.

The order of the stages is the order of the files: ``course`` (read_course) -> ``markdown`` (parse_blocks) ->
``sections`` (split_sections) -> ``chunks`` (cut_chunks) -> ``embedder`` and ``sparse`` (vectors) -> ``publish``
(publish_index) into one of two stores that share the protocol of ``store``: ``edge_store`` and ``server_store``.
"""
