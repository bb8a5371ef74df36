"""The trainer `smoothing`. Importing it imports numpy."""

import time
from collections.abc import Iterator

from levain_contracts.tasks import FailedProduct, TrainedProduct, TrainingTask
from levain_training.forecasting.port import WorkingOn
from levain_training.forecasting.smoothing.learnt import learn
from levain_training.forecasting.smoothing.panel import panel_of
from levain_training.forecasting.smoothing.predicted import predict
from levain_training.forecasting.smoothing.results import results

METHOD = "ETS(A,N,A)"


class Smoothing:
    def __init__(self, name: str) -> None:
        self._name = name

    def train(self, task: TrainingTask, working_on: WorkingOn) -> Iterator[TrainedProduct | FailedProduct]:
        started = time.perf_counter()
        learnt = learn(panel_of(task))
        predicted = predict(learnt, learnt.mean(), learnt.smoothed.tested)
        yield from results(self._name, task, learnt, predicted, [METHOD] * len(task.series), started)
