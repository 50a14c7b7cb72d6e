"""The reference inference server, which swaps releases as the alias moves."""
