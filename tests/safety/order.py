"""A job that nobody will get."""

from tasks.providers.protocol import JobRequest

ORDER = JobRequest(
    base_model="local-base-small",
    training_file="file-1",
    validation_file=None,
    method="supervised",
    n_epochs=None,
    batch_size=None,
    learning_rate_multiplier=None,
    seed=7,
    suffix=None,
    metadata={},
)
