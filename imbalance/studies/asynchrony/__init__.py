"""Estimators for prices seen at their own times, shared by studies of events. No study."""
