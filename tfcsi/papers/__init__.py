"""Tables and figures of papers: what to train, what the paper has, what we measure.

Each table or figure is a file of `experiments/`, which holds no code. `runner` trains
and measures what it lists, `verdicts` compares that with the claims of the paper, and
`page` and `picture` show both.
"""
