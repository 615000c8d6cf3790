"""The one error that building weights raises."""


class WeightsError(Exception):
    """Weights could not be fetched, did not match the manifest, or could not be converted.

    `name` says which file or package, `expected` and `got` what differs, `advice` what a person can do about it.
    """

    def __init__(self, name: str, problem: str, *, expected: str = "", got: str = "", advice: str = "") -> None:
        self.name, self.problem, self.expected, self.got, self.advice = name, problem, expected, got, advice
        lines = [f"{name}: {problem}"]
        lines += [f"  {label} {text}" for label, text in (("expected", expected), ("got     ", got)) if text]
        lines += [f"  {advice}"] if advice else []
        super().__init__("\n".join(lines))
