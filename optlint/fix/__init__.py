"""Fixes: the source whose update is the repaired one, found by trying small edits and proved by reading it again."""
