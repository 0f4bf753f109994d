"""Runs recurrences on NumPy. Nothing of the user's code is ever imported, compiled or evaluated."""
