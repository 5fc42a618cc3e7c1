"""The claims audit: every claim of both papers as data, beside what was measured, with a verdict by rule."""
