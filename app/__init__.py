"""Delivery and composition: wiring, settings, pages, machines, jobs, commands, migrations."""
