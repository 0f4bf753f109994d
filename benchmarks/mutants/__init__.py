"""Measures what optlint finds: the catalogue's mistakes, injected into correct programs.

``originals`` says which programs; ``anatomy`` ties their source to what optlint lifts from it; ``inject`` holds one
injector for each mistake; ``trial`` lets optlint read a mutant and compares; ``table`` prints. Nothing that is
read is ever imported or run.
"""
