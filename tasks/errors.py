"""Every error raised on purpose. Its text says what stopped, where, and what to do; its class says the exit code.

Exit codes: 2 wrong usage or configuration, 3 the data stopped the run, 4 budget or approval stopped it,
5 the provider refused for good, 75 stopped part-way and resumable once the cause is mended.
"""

import math
from typing import ClassVar


class TunegateError(Exception):
    """Base of all. Arguments go to `super().__init__`, so every error survives pickling between processes."""

    exit_code: ClassVar[int] = 1


class ConfigurationError(TunegateError):
    """A use-case file, a contract, an option or an environment variable is wrong."""

    exit_code = 2

    def __init__(self, where: str, problem: str, remedy: str) -> None:
        super().__init__(where, problem, remedy)
        self.where, self.problem, self.remedy = where, problem, remedy

    def __str__(self) -> str:
        return f"{self.where}: {self.problem}. {self.remedy}"


class DataError(TunegateError):
    """The data cannot carry a trial. Nothing has been uploaded when this is raised."""

    exit_code = 3

    def __init__(self, where: str, problem: str, remedy: str) -> None:
        super().__init__(where, problem, remedy)
        self.where, self.problem, self.remedy = where, problem, remedy

    def __str__(self) -> str:
        return f"{self.where}: {self.problem}; nothing was uploaded. {self.remedy}"


class ContractError(DataError):
    """Critical expectations of the contract do not hold."""


class LeakageError(TunegateError):
    """Evaluation rows also occur in train."""

    exit_code = 3

    def __init__(self, partition: str, shared: int, report: str) -> None:
        super().__init__(partition, shared, report)
        self.partition, self.shared, self.report = partition, shared, report

    def __str__(self) -> str:
        return (
            f"{self.shared} {self.partition} rows also occur in train; nothing was uploaded. "
            f"The pairs are in {self.report}. Set `mapping.group` in the contract to the column these rows "
            "share, drop the duplicates, or set `leakage.on_leak: withhold` to keep the train side out."
        )


class BudgetError(TunegateError):
    """A cap or a missing approval stopped the run before the next paid call."""

    exit_code = 4

    def __init__(self, what: str, amount: float, limit: float, remedy: str) -> None:
        super().__init__(what, amount, limit, remedy)
        self.what, self.amount, self.limit, self.remedy = what, amount, limit, remedy

    def __str__(self) -> str:
        return f"{self.what}: {self.amount:.2f} USD against a limit of {self.limit:.2f} USD. {self.remedy}"


class ApprovalRequiredError(TunegateError):
    """Spending needs a person's yes that this run does not carry. An `amount` of NaN is an unknown one.

    `sha256` is of what was estimated: a yes counts for exactly that. `how`: what a person does to give it.
    """

    exit_code = 4

    def __init__(self, run: str, amount: float, threshold: float, sha256: str = "", how: str = "") -> None:
        super().__init__(run, amount, threshold, sha256, how)
        self.run, self.amount, self.threshold, self.sha256, self.how = run, amount, threshold, sha256, how

    def __str__(self) -> str:
        amount = "an unknown amount of" if math.isnan(self.amount) else f"about {self.amount:.2f}"
        return (
            f"Run {self.run} would spend {amount} USD; more than {self.threshold:.2f} USD needs an approval; nothing "
            f"more was spent. Look at its estimate; to approve it: {self.how or '`tunegate status` says how'}"
        )


class ProviderRefusedError(TunegateError):
    """The provider said no for good: closed to new jobs, training failed, the model is gone."""

    exit_code = 5

    def __init__(self, call: str, code: str, message: str, remedy: str) -> None:
        super().__init__(call, code, message, remedy)
        self.call, self.code, self.message, self.remedy = call, code, message, remedy

    def __str__(self) -> str:
        return f"The provider refused {self.call} ({self.code}): {self.message}. {self.remedy}"


class ResumableError(TunegateError):
    """Stopped part-way; everything paid is kept and `tunegate resume RUN` goes on."""

    exit_code = 75

    def __init__(self, what: str, cause: str, remedy: str) -> None:
        super().__init__(what, cause, remedy)
        self.what, self.cause, self.remedy = what, cause, remedy

    def __str__(self) -> str:
        return f"{self.what} stopped: {self.cause}. {self.remedy}"


class CredentialsError(ResumableError):
    """The provider does not accept the key, or there is none."""


class ProviderUnavailableError(ResumableError):
    """The provider could not be reached, or kept failing, until the deadline.

    `retry_after` is the wait in seconds that the provider asked for, if it did.
    """

    def __init__(self, what: str, cause: str, remedy: str, retry_after: float | None = None) -> None:
        super().__init__(what, cause, remedy)
        self.args = (what, cause, remedy, retry_after)
        self.retry_after = retry_after


class AmbiguousAnswerError(ResumableError):
    """The provider may or may not have accepted a paid request: look before asking again."""


class SubmissionParkedError(ResumableError):
    """A paid request was sent, its fate is unknown, and no job was found within the settling time."""


class FormatVersionError(TunegateError):
    """A file or database was written by a newer release."""

    exit_code = 2

    def __init__(self, path: str, found: int, known: int) -> None:
        super().__init__(path, found, known)
        self.path, self.found, self.known = path, found, known

    def __str__(self) -> str:
        return f"{self.path} has format {self.found}; this release knows up to {self.known}. Install a newer tunegate."
