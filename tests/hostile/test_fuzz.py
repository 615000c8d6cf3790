"""A little of `make fuzz`, always the same."""

import hypothesis
from hypothesis import given

from tests.hostile.fuzz import SETTINGS, Mutant, check, mutants, originals


@given(mutants())
@hypothesis.seed(1)
@hypothesis.settings(SETTINGS, max_examples=30)
def test_whatever_is_wrong_with_a_file_it_is_told(mutant: Mutant) -> None:
    check(mutant.data)


def test_what_is_mutated_is_whole_at_first() -> None:
    assert {check(data) for data in originals().values()} <= {"complete", "nothing_looked_at"}
