"""Recurrence × rules → findings with verdicts."""
