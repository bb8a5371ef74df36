"""Turns TrainingJob and TrainingSchedule resources into jobs of the training service, and tells in their status how each goes."""
