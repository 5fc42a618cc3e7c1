"""Anomaly detection on sensor streams: IFTM's identity functions and thresholds, the model store, and detectors."""
