"""Detectors: one file each. `catalog` lists them as data; `scanner` runs them."""
