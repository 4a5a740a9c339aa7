import pytest

from models.catalogue import find, read_catalogue
from models.speed import LEAST, MOST, memory_speed, rate_words, tokens_per_second


def test_the_speed_of_memory_is_measured() -> None:
    """Slower than any memory and faster than any would be a mistake of the clock."""
    assert 2e8 < memory_speed(2) < 1e12


def test_a_model_is_read_once_for_each_token() -> None:
    entry, variant = find("qwen3-4b-instruct-2507", read_catalogue())
    assert tokens_per_second(entry, variant, 2_497_281_120 * 10) == (
        pytest.approx(10 * LEAST),
        pytest.approx(10 * MOST),
    )


def test_of_a_mixture_of_experts_only_those_that_work_are_read() -> None:
    entry, variant = find("gpt-oss-20b", read_catalogue())
    whole = variant.size * 10
    assert tokens_per_second(entry, variant, whole)[1] == pytest.approx(10 * MOST * 20.9 / 3.6)


def test_a_rate_is_said_in_as_many_digits_as_it_means() -> None:
    assert (rate_words((4.2, 8.4)), rate_words((0.35, 0.7))) == ("4-8", "0.3-0.7")
