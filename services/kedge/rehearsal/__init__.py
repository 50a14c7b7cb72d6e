"""Rehearsal: what a sick release was asked lately, asked of the release to go back to."""
