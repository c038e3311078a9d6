"""Blocks of work on a Ray cluster: each worker begins a job once and then takes block after block.

Ray replaces a worker that dies and hands its block to another one, so a block may be done twice; what it does must
stand that, as writing whole files under names that follow from their content does.
"""

import contextlib
import importlib.util
import logging
import os
import pickle
from collections.abc import Callable, Generator, Iterator, Sequence
from typing import Any, Protocol, TypeVar, cast

from regraft.core.errors import RegraftError, RequestError, WorkError

B = TypeVar("B")
R = TypeVar("R")
Block_ = TypeVar("Block_", contravariant=True)
Report_ = TypeVar("Report_", covariant=True)

# Of Ray's store of objects, where nothing of size lies: rows go to files.
_OBJECT_BYTES = 100_000_000
_QUIET = ("ray", "ray.data")
# Ray's own processes report on standard error what it then takes care of; read when it is imported.
_LOG_LEVEL = ("RAY_BACKEND_LOG_LEVEL", "fatal")


class Job(Protocol[Block_, Report_]):
    """What workers do; it travels to them by pickle."""

    def begin(self) -> Callable[[Block_], Report_]:
        """Do in the worker what is needed once, and give what takes a block and gives its report."""
        ...


def require() -> None:
    """See that Ray is there.

    Raises:
        RequestError: it is not installed.
    """
    if importlib.util.find_spec("ray") is None or importlib.util.find_spec("ray.data") is None:
        raise RequestError(
            "expected Ray Data for the engine 'ray', found none; install it with: pip install 'regraft[ray]', or leave "
            "--engine out"
        )


def spread(job: Job[B, R], blocks: Sequence[B]) -> Iterator[R]:
    """Do all blocks on the cluster; yields the reports as they come, in any order.

    The cluster is the one that this process is connected to, else the one that `RAY_ADDRESS` names, else one of this
    machine alone, which is shut down in the end. There is one worker for every processor.

    Args:
        job: what workers do; a class that they can import, or of the main program.
        blocks: what is handed out, one at a time.

    Raises:
        RequestError: Ray is not installed, or the cluster that was named does not answer.
        RegraftError: what a worker raised.
        WorkError: anything else that went wrong in one.
    """
    require()
    os.environ.setdefault(*_LOG_LEVEL)
    with _cluster():
        import cloudpickle
        import ray
        from ray.data import ActorPoolStrategy, from_items

        packed = ray.put(cloudpickle.dumps(job))
        items = [{"block": cloudpickle.dumps(block)} for block in blocks]
        made = from_items(items, override_num_blocks=len(items)).map_batches(
            _Worker,
            fn_constructor_args=(packed,),
            batch_size=1,
            batch_format="numpy",
            num_cpus=1,
            compute=ActorPoolStrategy(size=_workers(len(blocks))),
        )
        for row in made.iter_rows():
            yield cast(R, _opened(row["report"]))


class _Worker:
    """In a process of the cluster: a job that has begun."""

    def __init__(self, packed: Any) -> None:
        import ray

        content: bytes = ray.get(packed) if isinstance(packed, ray.ObjectRef) else packed
        self._run: Callable[[Any], Any] = pickle.loads(content).begin()

    def __call__(self, batch: dict[str, Any]) -> dict[str, list[bytes]]:
        return {"report": [self._done(content) for content in batch["block"]]}

    def _done(self, content: bytes) -> bytes:
        # What is raised here would be raised again on every other worker: it is told, not tried again.
        try:
            return pickle.dumps(self._run(pickle.loads(content)))
        except RegraftError as error:
            return pickle.dumps(error)
        except Exception as error:
            logging.getLogger("regraft").exception("a block could not be done")
            told = f"a worker of the Ray cluster failed: {type(error).__name__}: {str(error)[:300]}; see Ray's logs"
            return pickle.dumps(WorkError(told))


def _opened(content: bytes) -> object:
    report: object = pickle.loads(content)
    if isinstance(report, RegraftError):
        raise report
    return report


def _workers(blocks: int) -> int:
    """One for every processor of the cluster, as many as there are blocks at most."""
    import ray

    return max(1, min(blocks, int(ray.cluster_resources().get("CPU", 1))))


@contextlib.contextmanager
def _cluster() -> Generator[None]:
    """Be connected to a cluster inside the block, and let Ray speak of nothing but mistakes."""
    import ray
    from ray.data import DataContext
    from ray.exceptions import RayError

    with _quiet():
        started = not ray.is_initialized()
        if started:
            _connect(ray)
        try:
            context = DataContext.get_current()
            shown, context.enable_progress_bars = context.enable_progress_bars, False
            try:
                yield
            except RegraftError:
                raise
            except RayError as error:
                reason = " ".join(str(error).split())[:300]
                raise WorkError(f"the Ray cluster failed: {reason}; see Ray's logs") from error
            finally:
                context.enable_progress_bars = shown
        finally:
            if started:
                ray.shutdown()


def _connect(ray: Any) -> None:
    address = os.environ.get("RAY_ADDRESS")
    try:
        if address:
            ray.init(address, log_to_driver=False, configure_logging=False)
        else:
            ray.init(
                log_to_driver=False,
                configure_logging=False,
                include_dashboard=False,
                object_store_memory=_OBJECT_BYTES,
            )
    except (ConnectionError, ValueError, RuntimeError) as error:
        reason = str(error).strip().partition("\n")[0][:200]
        named = f"the Ray cluster at '{address}' (RAY_ADDRESS)" if address else "Ray on this machine"
        raise RequestError(f"cannot use {named}: {reason}; start it, or leave --engine out") from error


@contextlib.contextmanager
def _quiet() -> Generator[None]:
    loggers = [logging.getLogger(name) for name in _QUIET]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
