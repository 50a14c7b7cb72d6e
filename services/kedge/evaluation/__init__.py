"""How outcomes are joined with the predictions that they are the truth of, and become scores."""
