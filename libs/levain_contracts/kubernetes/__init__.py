"""The two resources that people apply to a cluster: TrainingJob and TrainingSchedule, as the CRDs of the chart spell them."""
