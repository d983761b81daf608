"""Measuring acceptance and verification against their floor: ``make bench``."""
