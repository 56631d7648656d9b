"""Each step of a trial on its run folder: read what the step before kept, call the stage, keep the result.

No Prefect here: the flow's tasks, `tunegate check` and `tunegate estimate` take the same steps. A step whose last file
stands in the run's manifest has been taken: a resumed run goes on behind it.
"""
