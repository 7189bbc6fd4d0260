"""How good the tutor is, measured: cases -> run -> report.

``cases`` (read and checked) -> ``retrieval`` and ``refusals`` (the suites) -> ``metrics`` with ``statistics`` (intervals,
comparisons) -> ``run`` (the verdict) -> ``saved_runs`` and ``report`` (JSON, CSV and HTML). ``calibrate`` fits the weights
by which questions are declined; ``benchmark`` measures speed. Findings, failures above all, are kept in LOG.md.
"""
