"""A helper that a step calls: a change here must invalidate the step's cache."""


def scale(number: int) -> float:
    return float(number)
