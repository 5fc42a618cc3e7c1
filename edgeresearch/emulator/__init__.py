"""The testbed of Paper B in virtual time: mesh, nodes, triggers, and the policies that place trainings on it."""
