"""Being told of changes."""

from collections.abc import Iterable

from idstatus.core.operation import iteration
from idstatus.core.steps import Item, ItemSteps, Methods
from idstatus.models import wire
from idstatus.models.change import Change, ChangeBatch
from idstatus.models.enums import TaskView
from idstatus.models.filter import TaskFilter
from idstatus.models.wire import Duration
from idstatus.v1 import task_service_pb2 as pb
from idstatus.watch.follow import follow


class WatchingMethods(Methods):
    """Watches resume by themselves: the user sees one stream, nothing missing, nothing twice."""

    @iteration
    def watch(
        self,
        task_ids: Iterable[str] = (),
        *,
        task_filter: TaskFilter | None = None,
        skip_snapshot: bool = False,
        view: TaskView | None = None,
        follow_retries: bool = False,
    ) -> ItemSteps[Change]:
        """Iterate over the state of tasks and then over every change, in order.

        A watch on ids ends once every named task is terminal (with `follow_retries`: the last
        of its chain); a watch on a filter, or on all tasks, never ends. To know where the
        snapshot ends, or to go on later from a token, use `watch_batches`.

        Args:
            task_ids: The tasks to watch, at most 1,000. Not together with a filter.
            task_filter: The tasks to watch; neither ids nor a filter means all.
            skip_snapshot: Start with the changes from now on.
            view: How much of each task to tell; None: only its status.
            follow_retries: Follow each named task to its retry, and so on.

        Raises:
            TaskNotFoundError: An id is unknown.
            UnavailableError: No server answered within the client's timeout. Once the watch is
                in place, it waits for the server to come back for as long as it takes.
        """
        request = _request(task_ids, task_filter, view)
        request.skip_snapshot = skip_snapshot
        request.follow_retries = follow_retries
        batches = follow(request, self.timeout)
        ...
