"""How good the tutor is, measured: cases -> run -> report.

``cases`` (read and checked) -> ``retrieval`` and ``refusals`` (the suites) -> ``statistics`` (intervals, comparisons)
-> ``run`` (a saved run with its verdict) -> ``report`` (HTML and CSV). ``calibrate`` fits the weights by which questions
are declined; ``benchmark`` measures speed. Findings, failures above all, are kept in LOG.md.
"""
