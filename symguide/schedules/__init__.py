"""Noise schedules and guidance schedules."""
