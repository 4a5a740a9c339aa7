"""A task in the background."""

from contextlib import closing
from functools import partial
from typing import Any, cast

from engine import Engine
from rag.tasks.types import Report, Task, TaskProgress
from rag.types import Voice
from ui.background import Background


class Working(Background):
    """One task at a time. Where it stands: `progress` while it runs; then `report`, or `error`. `interrupted` is a task
    that was stopped: started again, it goes on from there. The report before stays until there is another."""

    what = "task"
    hint = "Start it again: what is done is kept."

    def __init__(self) -> None:
        super().__init__()
        self.progress = TaskProgress(0, 0)
        self.report: Report | None = None
        self._task: Task | None = None

    @property
    def interrupted(self) -> Task | None:
        return self._task if self.stopped else None

    def start(self, engine: Engine, task: Task, model: str | None = None, voice: Voice | None = None) -> None:
        """Does nothing while a task is under way."""

        def prepare() -> None:
            self.progress, self._task = TaskProgress(0, 0), task

        self.begin(prepare, partial(self._work, engine, task, model, voice))

    def _work(self, engine: Engine, task: Task, model: str | None, voice: Voice | None) -> None:
        with closing(cast("Any", engine.work(task, model, voice))) as events:
            for event in events:  # a model gives several a second
                self.heed()
                if event.event == "finished":
                    self.report = event.report
                else:
                    self.progress = event
