"""Where the tasks run: in this process, in others of this machine, or on a cluster."""

from __future__ import annotations

import dataclasses
import os
from typing import TYPE_CHECKING, Any

from samplevis.runtime.checks import brief, check_whole

if TYPE_CHECKING:
    from samplevis.atlas.model_spec import ModelSpec


@dataclasses.dataclass(frozen=True)
class EngineOptions:
    """Where the tasks run.

    Attributes:
      workers: processes on this machine; 0 is this process.
      scheduler: address of a Dask cluster; None for none.
      insecure: whether an address that is not TLS is allowed.
    """

    workers: int = 0
    scheduler: str | None = None
    insecure: bool = False

    @property
    def is_distributed(self) -> bool:
        """Whether Dask runs the tasks."""
        return self.workers > 0 or self.scheduler is not None

    def check(self, spec: ModelSpec | None, folder: Any) -> None:
        """Raises ValueError if other processes could not load the model or reach the folder, or an address is not TLS."""
        check_whole("workers", self.workers, 0)
        if not self.is_distributed:
            return
        if self.scheduler is not None and self.workers:
            raise ValueError("workers: a scheduler has its own. Received: both")
        if self.scheduler is not None and not self.insecure and not str(self.scheduler).startswith("tls://"):
            raise ValueError(
                "scheduler: expected an address tls://host:port, since whoever reaches a scheduler runs code on its workers. Say "
                f"insecure if yours is in a network that you trust. Received: {brief(self.scheduler)}"
            )
        if spec is None:
            raise ValueError(
                "model: other processes load it themselves: expected a name, a path or a ModelSpec. Received: a model"
            )
        if str(os.fspath(folder)).startswith("memory:"):
            raise ValueError(f"folder: other processes cannot reach {folder}")
