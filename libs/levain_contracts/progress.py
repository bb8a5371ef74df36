"""One number for a job's progress, the same in every process."""

ANALYSED = 20
COMPLETED = 100
_TRAINING_SPAN = 60


def progress(ended: int, total: int) -> int:
    """Percent after `ended` of `total` products (trained or failed): 20 + floor(ended / total x 60), 20 when there are none."""
    if total <= 0:
        return ANALYSED
    return ANALYSED + min(max(ended, 0), total) * _TRAINING_SPAN // total
