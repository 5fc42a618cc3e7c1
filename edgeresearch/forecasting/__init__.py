"""Forecasters of request rates: Paper A's five models, naive ones, and this project's own LSTM."""
