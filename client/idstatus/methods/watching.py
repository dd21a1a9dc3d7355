"""Being told of changes."""

from collections.abc import Iterable, Sequence

from idstatus.core.operation import iteration
from idstatus.core.steps import ItemSteps, Methods
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

        A watch on ids ends once every named task is terminal; a watch on a filter, or on all
        tasks, never ends. To know where the snapshot ends, or to go on another day from a
        token, use `watch_batches`.

        Args:
            task_ids: The tasks to watch, at most 1,000. Not together with a filter.
            task_filter: The tasks to watch; neither ids nor a filter means all.
            skip_snapshot: Start with the changes from now on.
            view: How much of each task to tell; None: only its status.
            follow_retries: Follow each named task to its retry, and so to the end of its chain.

        Raises:
            TaskNotFoundError: An id is unknown.
            UnavailableError: No server answered within the client's timeout. A watch that was
                in place once waits for the server to come back for as long as it takes.
        """
        request = pb.WatchTasksRequest(
            ids=task_ids,
            filter=task_filter.to_message() if task_filter else None,
            skip_snapshot=skip_snapshot,
            view=wire.TASK_VIEW.encode(view),
            follow_retries=follow_retries,
        )
        return follow(request, self.timeout, _each_change)

    @iteration
    def watch_batches(
        self,
        task_ids: Iterable[str] = (),
        *,
        task_filter: TaskFilter | None = None,
        resume_token: str = "",
        skip_snapshot: bool = False,
        view: TaskView | None = None,
        bookmark_interval: Duration | None = None,
        follow_retries: bool = False,
    ) -> ItemSteps[ChangeBatch]:
        """As `watch`, but in the batches that were committed together, each with its token.

        Whoever keeps `batch.resume_token` once the batch is handled can go on right after it,
        in another process and on another day, and misses nothing.

        Args:
            task_ids: The tasks to watch, at most 1,000. Not together with a filter.
            task_filter: The tasks to watch; neither ids nor a filter means all.
            resume_token: Go on after the batch that had this token; empty: from a snapshot.
            skip_snapshot: Start with the changes from now on.
            view: How much of each task to tell; None: only its status.
            bookmark_interval: With nothing to tell, an empty batch brings a new token about
                this often, 1 s to 1 h; None: 15 s.
            follow_retries: Follow each named task to its retry, and so to the end of its chain.

        Raises:
            TaskNotFoundError: An id is unknown.
            InvalidTokenError: The token is not one, or not one of this store.
            RevisionCompactedError: The token is older than what the log keeps.
            RevisionInFutureError: The token is from the future: the store has lost changes.
            UnavailableError: No server answered within the client's timeout.
        """
        request = pb.WatchTasksRequest(
            ids=task_ids,
            filter=task_filter.to_message() if task_filter else None,
            resume_token=resume_token,
            skip_snapshot=skip_snapshot,
            view=wire.TASK_VIEW.encode(view),
            bookmark_interval=wire.encode_duration(bookmark_interval),
            follow_retries=follow_retries,
        )
        return follow(request, self.timeout, _whole_batch)


def _each_change(batch: ChangeBatch) -> Sequence[Change]:
    return batch.changes


def _whole_batch(batch: ChangeBatch) -> Sequence[ChangeBatch]:
    return (batch,)
