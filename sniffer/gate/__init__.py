"""The gate: compiled, one pass over a batch; decides for every frame whether it passes or why not."""
