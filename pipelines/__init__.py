"""The Dagster application: definitions, resources, jobs, schedules, sensors and the run process."""
