"""What holds for all tests: how long a test by Hypothesis may take is no promise of ours."""

from hypothesis import HealthCheck, settings

# Machines differ, and in a fresh clone the first text drawn builds a table of all Unicode.
settings.register_profile("patient", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("patient")
