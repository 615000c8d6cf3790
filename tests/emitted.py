"""The metrics that functions emit: what their own tests see them print, and all that alarms may look at."""

EMITTED: dict[str, set[str]] = {
    "plan": {"JobsDeferred"},
    "watch": {"OldestJobAge", "JobsStarted", "JobsClosed", "JobsStuck"},
}
