"""`greenlight evaluate` and `greenlight calibrate`: the real pipeline, held against labels that people gave."""
