"""The claims of both papers: one record each, the rules that judge them, and the table that readers get."""
